//! Each thing that can be wrong with a recipe, and how it is told.

use crate::project::{Project, Refusal};
use ashlar_recipe::Fault;

/// The refusal of one recipe by itself, `recipes/x.toml`.
fn refusal(text: &str) -> Refusal {
    Project::new().recipe("x", text).refusal("x")
}

#[test]
fn an_unknown_key_is_pointed_at_and_the_likely_one_offered() {
    let seen = refusal("description = 'x'\npakages = []\n");
    assert_eq!(seen.words, "recipes/x.toml:2: unknown key `pakages`");
    assert_eq!(seen.help, "Did you mean `packages`?");
    assert_eq!(seen.pointed.as_deref(), Some("pakages"));

    let seen = refusal("[kernel]\npakage = 'linux-image-amd64'\n");
    assert_eq!(seen.words, "recipes/x.toml:2: unknown key `pakage`");
    assert_eq!(seen.help, "Did you mean `package`?");
    assert_eq!(seen.pointed.as_deref(), Some("pakage"));

    let seen = refusal("[agent.ring]\nxyzzy = 1\n");
    assert_eq!(seen.help, "Keys here: enabled, settle-seconds.");
    assert_eq!(seen.pointed.as_deref(), Some("xyzzy"));
}

#[test]
fn a_value_of_the_wrong_type_is_told_with_its_key_and_what_was_expected() {
    let seen = refusal("packages = 'bash'\n");
    assert_eq!(
        seen.words,
        "recipes/x.toml:1: wrong value for `packages`: invalid type: string \"bash\", expected a list"
    );
    assert_eq!(seen.pointed.as_deref(), Some("'bash'"));

    let seen = refusal("\npackages = ['bash', 3]\n");
    assert_eq!(seen.pointed.as_deref(), Some("3"));
    assert!(seen.words.contains("recipes/x.toml:2: wrong value for `packages`"), "{}", seen.words);

    let seen = refusal("kernel = 'vm'\n");
    assert!(seen.words.contains("`kernel`") && seen.words.contains("expected a table"), "{seen:?}");

    let seen = refusal("[agent.ring]\nenabled = 'yes'\n");
    assert!(seen.words.contains("`agent.ring.enabled`"), "{}", seen.words);

    let seen = refusal("extends = 3\n");
    assert!(seen.words.contains("expected the name of a recipe, or a list of names"), "{seen:?}");
}

#[test]
fn a_word_or_a_size_that_is_none_is_refused_with_those_that_are() {
    let seen = refusal("[image]\ncompression = 'gzip'\n");
    assert!(seen.words.contains("`image.compression`"), "{}", seen.words);
    assert!(seen.words.contains("`zstd` or `lz4hc`"), "{}", seen.words);

    let seen = refusal("[disk]\nroot = '2 gigs'\n");
    assert!(seen.words.contains("recipes/x.toml:2: wrong value for `disk.root`"), "{}", seen.words);
    assert!(seen.words.contains("such as `2GiB`"), "{}", seen.words);
    assert_eq!(seen.pointed.as_deref(), Some("'2 gigs'"));
}

#[test]
fn broken_toml_is_told_with_its_line() {
    let seen = refusal("description = 'x'\npackages = [\n");
    assert!(matches!(seen.fault, Fault::Syntax { .. }));
    assert!(seen.words.starts_with("recipes/x.toml:"), "{}", seen.words);
}

#[test]
fn a_circle_names_every_recipe_on_it_with_file_and_line() {
    let seen = Project::new()
        .recipe("start", "extends = 'a'\n")
        .recipe("a", "extends = ['b']\n")
        .recipe("b", "description = 'b'\nextends = 'a'\n")
        .refusal("start");
    assert_eq!(
        seen.words,
        "recipes/b.toml:2: recipes extend each other in a circle: \
         a (recipes/a.toml:1) → b (recipes/b.toml:2) → a"
    );
    assert_eq!(seen.pointed.as_deref(), Some("'a'"));
    let alone = Project::new().recipe("a", "extends = 'a'\n").refusal("a");
    assert!(alone.words.contains("a (recipes/a.toml:1) → a"), "{}", alone.words);
}

#[test]
fn a_missing_parent_or_recipe_is_told_with_those_that_there_are() {
    let project = Project::new().recipe("minimal", "").recipe("shop", "extends = 'minimial'\n");
    let seen = project.refusal("shop");
    assert_eq!(seen.words, "recipes/shop.toml:1: there is no recipe `minimial` in recipes");
    assert_eq!(seen.help, "Did you mean `minimal`?");
    assert_eq!(seen.pointed.as_deref(), Some("'minimial'"));
    let seen = project.refusal("zzz");
    assert_eq!(seen.words, "there is no recipe `zzz` in recipes");
    assert_eq!(seen.help, "Recipes: minimal, shop.");
    assert!(matches!(project.refusal("../x").fault, Fault::NoSuchRecipe { .. }));
}

#[test]
fn a_missing_overlay_stack_or_hardware_set_is_pointed_at() {
    let project = Project::new()
        .file("overlays/console/x", "")
        .recipe("parent", "\noverlays = ['consol']\n")
        .recipe("child", "extends = 'parent'\n");
    let seen = project.refusal("child");
    assert_eq!(
        seen.words,
        "recipes/parent.toml:2: there is no overlay `consol`: overlays/consol does not exist"
    );
    assert_eq!(seen.help, "Did you mean `console`? Or create overlays/consol.");
    assert_eq!(seen.pointed.as_deref(), Some("'consol'"));

    let swarm = "[agent]\nring.enabled = true\nswarm.enabled = true\n";
    let seen = refusal(&format!("stacks = ['web']\n{swarm}"));
    assert!(seen.words.contains("recipes/stacks/web.yml does not exist"), "{}", seen.words);
    assert_eq!(seen.pointed.as_deref(), Some("'web'"));

    let seen = refusal("[hardware]\nsets = ['disks']\n");
    assert!(seen.words.contains("recipes/hardware/disks.txt does not exist"), "{}", seen.words);
}

#[test]
fn a_broken_module_pattern_is_pointed_at_in_recipe_and_set() {
    let seen = refusal("[hardware]\nmodules = ['nvme', 'e1000e.ko']\n");
    assert_eq!(seen.pointed.as_deref(), Some("'e1000e.ko'"));
    let seen = Project::new()
        .file("recipes/hardware/disks.txt", "nvme\n\n/dev/sda\n")
        .recipe("x", "[hardware]\nsets = ['disks']\n")
        .refusal("x");
    assert!(seen.words.starts_with("recipes/hardware/disks.txt:3: "), "{}", seen.words);
    assert_eq!(seen.pointed.as_deref(), Some("/dev/sda"));
}

#[test]
fn what_no_parent_gave_cannot_be_taken_back() {
    let project = Project::new().file("overlays/till/x", "").recipe(
        "a",
        "packages = ['openssh-server']\noverlays = ['till']\nkernel.command-line = ['quiet']\n",
    );
    let project = project.recipe("x", "extends = 'a'\n\nremove.packages = ['opensh-server']\n");
    let seen = project.refusal("x");
    assert_eq!(
        seen.words,
        "recipes/x.toml:3: no recipe that this one extends has `opensh-server` in `packages`"
    );
    assert_eq!(seen.help, "Did you mean `openssh-server`?");
    assert_eq!(seen.pointed.as_deref(), Some("'opensh-server'"));

    let project = project.recipe("x", "extends = 'a'\n[remove]\nkernel.command-line = ['debug']\n");
    let seen = project.refusal("x");
    assert!(seen.words.ends_with("has `debug` in `kernel.command-line`"), "{}", seen.words);
    assert_eq!(seen.help, "Delete it from `remove.kernel.command-line`.");

    let own = Project::new().recipe("x", "packages = ['bash']\nremove.packages = ['bash']\n");
    assert!(matches!(own.refusal("x").fault, Fault::NothingToRemove { .. }), "it is its own");

    let seen = refusal("[remove]\ndisk = ['root']\n");
    assert!(seen.words.contains("unknown key `disk`"), "{}", seen.words);
}

#[test]
fn a_target_machine_that_is_not_there_or_not_complete_is_pointed_at() {
    let project = Project::new()
        .file("recipes/machines/metal.toml", "")
        .file("recipes/machines/odd.toml", "\nextends = 'metal'\n")
        .recipe("x", "machine = 'mettal'\n")
        .recipe("y", "machine = 'odd'\n");
    let seen = project.refusal("x");
    assert!(seen.words.contains("there is no target machine `mettal`"), "{}", seen.words);
    assert_eq!(seen.help, "Did you mean `metal`? Or create recipes/machines/mettal.toml.");
    assert_eq!(seen.pointed.as_deref(), Some("'mettal'"));
    let seen = project.refusal("y");
    assert!(seen.words.starts_with("recipes/machines/odd.toml:2: "), "{}", seen.words);
}

#[test]
fn values_that_no_appliance_can_have_are_pointed_at() {
    for (text, key) in [
        ("overlays = ['../etc']", "overlays"),
        ("packages = ['bash; reboot']", "packages"),
        ("firmware.packages = ['x;']", "firmware.packages"),
        ("components = ['universe']", "components"),
        ("kernel.package = 'a b'", "kernel.package"),
        ("kernel.command-line = ['a b']", "kernel.command-line"),
        ("disk.seed = '1B'", "disk.seed"),
        ("image.compression-level = 99", "image.compression-level"),
        ("image.cluster-size = '3MiB'", "image.cluster-size"),
        ("image.repart-seed = '1'", "image.repart-seed"),
        ("image.documentation-url = 'man:ashlar'", "image.documentation-url"),
        ("image.documentation-url = 'https://a/$(b)'", "image.documentation-url"),
        ("agent.storage.replicas = 4", "agent.storage.replicas"),
        ("agent.storage.volume = 'a/b'", "agent.storage.volume"),
        ("agent.swarm.managers = 2", "agent.swarm.managers"),
        ("agent.swarm.enabled = true", "agent.swarm.enabled"),
        ("agent.storage.enabled = true", "agent.storage.enabled"),
        ("stacks = ['web']", "stacks"),
    ] {
        let seen = refusal(text);
        let expected = format!("recipes/x.toml:1: wrong value for `{key}`: ");
        assert!(seen.words.starts_with(&expected), "{text}: {}", seen.words);
        let value = text.split(" = ").nth(1).unwrap();
        assert_eq!(seen.pointed.unwrap(), value.trim_matches(['[', ']']), "{text}");
    }
}

#[test]
fn a_value_from_a_parent_is_refused_at_the_parent() {
    let seen = Project::new()
        .recipe("p", "\n[agent.swarm]\nmanagers = 4\n")
        .recipe("c", "extends = 'p'\n")
        .refusal("c");
    assert!(seen.words.starts_with("recipes/p.toml:3: "), "{}", seen.words);
}
