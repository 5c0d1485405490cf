//! What composition does with parents, lists, tables and files.

use crate::project::Project;
use ashlar_recipe::Size;

#[test]
fn lists_are_appended_parents_first_and_single_values_replaced() {
    let project = Project::new()
        .recipe(
            "base",
            "description = 'base'\npackages = ['bash', 'udev']\n[kernel]\npackage = 'linux-image-cloud-amd64'\ncommand-line = ['a', 'b']\n[disk]\nroot = '3GiB'\nstate = '5GiB'\n",
        )
        .recipe(
            "shop",
            "extends = 'base'\npackages = ['serf', 'bash']\n[kernel]\ncommand-line = ['b', 'c']\n[disk]\nroot = '4GiB'\n",
        );
    let shop = project.composed("shop");
    assert_eq!(shop.recipe.description, "base");
    assert_eq!(shop.recipe.packages, ["bash", "udev", "serf"]);
    assert_eq!(shop.recipe.kernel.command_line, ["a", "b", "c"]);
    assert_eq!(shop.recipe.disk.root, Size::gibibytes(4));
    assert_eq!(shop.recipe.disk.state, Size::gibibytes(5));
    assert_eq!(shop.packages(), ["bash", "linux-image-cloud-amd64", "serf", "udev"]);
    assert_eq!(shop.sources.len(), 2);
    assert!(shop.sources[0].ends_with("base.toml"), "parents are read first");
}

#[test]
fn every_value_knows_the_line_that_it_comes_from() {
    let project = Project::new()
        .recipe("base", "packages = [\n  'bash',\n  'udev',\n]\n[disk]\nroot = '3GiB'\n")
        .recipe("shop", "extends = ['base']\npackages = ['serf']\ndisk.root = '4GiB'\n");
    let shop = project.composed("shop");
    let origin = |key: &str| {
        let origin = &shop.origins[key];
        format!("{}:{}", origin.file.file_name().unwrap().to_string_lossy(), origin.line)
    };
    assert_eq!(origin("packages[\"udev\"]"), "base.toml:3");
    assert_eq!(origin("packages[\"serf\"]"), "shop.toml:2");
    assert_eq!(origin("disk.root"), "shop.toml:3");
    assert!(!shop.origins.contains_key("disk.esp"), "a default has no origin");
}

#[test]
fn a_parent_of_two_parents_is_merged_once() {
    let project = Project::new()
        .recipe("base", "packages = ['a1']\n")
        .recipe("left", "extends = 'base'\npackages = ['b1']\nremove.packages = ['a1']\n")
        .recipe("right", "extends = 'base'\npackages = ['c1']\n")
        .recipe("both", "extends = ['left', 'right']\n");
    let both = project.composed("both");
    assert_eq!(both.recipe.packages, ["b1", "c1"], "and so a removed package stays removed");
    assert_eq!(both.sources.len(), 4);
}

#[test]
fn a_removed_package_comes_back_when_a_child_names_it_again() {
    let project = Project::new()
        .recipe("base", "packages = ['nano', 'bash']\n")
        .recipe("small", "extends = 'base'\nremove.packages = ['nano']\n")
        .recipe("large", "extends = 'small'\npackages = ['nano']\n");
    assert_eq!(project.composed("small").recipe.packages, ["bash"]);
    assert!(!project.composed("small").origins.contains_key("packages[\"nano\"]"));
    assert_eq!(project.composed("large").recipe.packages, ["bash", "nano"]);
}

#[test]
fn settings_of_the_agent_are_merged_key_by_key() {
    let project = Project::new()
        .recipe("base", "[agent.ring]\nenabled = true\nsettle-seconds = 4\n")
        .recipe("shop", "extends = 'base'\n[agent.ring]\nsettle-seconds = 7\n");
    let ring = project.composed("shop").recipe.agent.ring;
    assert!(ring.enabled);
    assert_eq!(ring.settle_seconds, 7);
}

#[test]
fn a_target_machine_comes_before_all_recipes_and_the_last_one_named_counts() {
    let project = Project::new()
        .file(
            "recipes/machines/vm.toml",
            "[kernel]\npackage = 'cloud'\ncommand-line = ['tty0', 'ttyS0']\n[budget]\nuki = '30MB'\n",
        )
        .file(
            "recipes/machines/metal.toml",
            "components = ['non-free-firmware']\n[kernel]\npackage = 'full'\n\
             [firmware]\npackages = ['intel-microcode']\n",
        )
        .recipe("shop", "machine = 'vm'\n[kernel]\ncommand-line = ['quiet']\n[budget]\nuki = '20MB'\n")
        .recipe("box", "extends = 'shop'\nmachine = 'metal'\n")
        .recipe("unsaid", "");
    let shop = project.composed("shop");
    assert_eq!(shop.components(), ["main"]);
    assert_eq!(shop.packages(), ["cloud"]);
    assert_eq!(shop.recipe.kernel.command_line, ["tty0", "ttyS0", "quiet"]);
    assert_eq!(shop.recipe.budget.uki, Some(Size::bytes(20_000_000)));
    let metal = project.composed("box");
    assert_eq!(metal.recipe.machine.as_deref(), Some("metal"));
    assert_eq!(metal.components(), ["main", "non-free-firmware"]);
    assert_eq!(metal.packages(), ["full", "intel-microcode"]);
    assert_eq!(metal.recipe.kernel.command_line, ["quiet"]);
    assert_eq!(metal.parents, ["shop"]);
    let unsaid = project.composed("unsaid");
    assert_eq!(unsaid.recipe.machine.as_deref(), Some("metal"), "it runs everywhere");
}

#[test]
fn a_child_takes_back_items_of_every_list() {
    let project = Project::new()
        .file("overlays/a/x", "")
        .file("overlays/b/x", "")
        .file("recipes/hardware/one.txt", "nvme\n")
        .file("recipes/hardware/two.txt", "ahci\n")
        .file("recipes/stacks/web.yml", "services: {}")
        .recipe(
            "parent",
            "overlays = ['a', 'b']\npackages = ['bash', 'nano']\ncomponents = ['contrib']\n\
             stacks = ['web']\n[kernel]\ncommand-line = ['quiet', 'console=ttyS0']\n\
             [firmware]\npackages = ['fw1', 'fw2']\n[initrd]\noverlays = ['a', 'b']\n\
             [hardware]\nsets = ['one', 'two']\ninitrd-sets = ['one', 'two']\nmodules = ['x', 'y']\n\
             [agent]\nring.enabled = true\nswarm.enabled = true\n",
        )
        .recipe(
            "child",
            "extends = 'parent'\n[remove]\noverlays = ['a']\npackages = ['nano']\n\
             components = ['contrib']\nstacks = ['web']\nkernel.command-line = ['console=ttyS0']\n\
             firmware.packages = ['fw1']\ninitrd.overlays = ['b']\nhardware.sets = ['two']\n\
             hardware.initrd-sets = ['one']\nhardware.modules = ['y']\n",
        );
    let child = project.composed("child");
    let recipe = &child.recipe;
    assert_eq!(recipe.overlays, ["b"]);
    assert_eq!(recipe.packages, ["bash"]);
    assert_eq!(child.components(), ["main"]);
    assert!(child.stacks.is_empty());
    assert_eq!(recipe.kernel.command_line, ["quiet"]);
    assert_eq!(recipe.firmware.packages, ["fw2"]);
    assert_eq!(recipe.initrd.overlays, ["a"]);
    assert!(child.initrd_overlays[0].ends_with("overlays/a"));
    assert_eq!(recipe.hardware.sets, ["one"]);
    assert_eq!(recipe.hardware.initrd_sets, ["two"]);
    assert_eq!(recipe.hardware.modules, ["x"]);
    assert!(!child.origins.keys().any(|key| key.starts_with("remove")));
}

#[test]
fn every_list_of_a_recipe_can_be_taken_back() {
    let schema: serde_json::Value = serde_json::from_str(&ashlar_recipe::schema()).unwrap();
    let lists = |of: &serde_json::Value| lists(&schema, of, "");
    let remove = lists(&schema["$defs"]["RemoveSettings"]);
    let mut all = lists(&schema);
    all.retain(|key| key != "extends" && !key.starts_with("remove") && !key.starts_with("agent"));
    assert_eq!(all, remove);
}

/// Dotted keys of the lists that a schema describes.
fn lists(all: &serde_json::Value, schema: &serde_json::Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in schema["properties"].as_object().unwrap() {
        let dotted = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if value["type"] == "array" {
            found.push(dotted);
        } else if let Some(name) = value["$ref"].as_str() {
            let inner = &all["$defs"][name.trim_start_matches("#/$defs/")];
            if inner["properties"].is_object() {
                found.extend(lists(all, inner, &dotted));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn overlays_stacks_and_hardware_sets_are_found() {
    let project = Project::new()
        .file("overlays/base/usr/x", "")
        .file("recipes/stacks/web.yml", "services: {}")
        .file("more/till.yaml", "services: {}")
        .file("recipes/hardware/disks.txt", "nvme # fast\ndrivers/ata/**\n")
        .recipe(
            "shop",
            "overlays = ['base']\nstacks = ['web', '../more/till.yaml']\n\
             [hardware]\nsets = ['disks']\nmodules = ['e1000e']\ninitrd-sets = ['disks']\n\
             [agent]\nring.enabled = true\nswarm.enabled = true\n",
        );
    let shop = project.composed("shop");
    assert!(shop.overlays[0].is_dir());
    let stacks: Vec<&str> = shop.stacks.iter().map(|stack| stack.name.as_str()).collect();
    assert_eq!(stacks, ["web", "till"]);
    let modules: Vec<&str> = shop.modules.iter().map(|module| module.as_str()).collect();
    assert_eq!(modules, ["nvme", "drivers/ata/**", "e1000e"]);
    assert_eq!(shop.initrd_modules.len(), 2);
    assert!(shop.sources.iter().any(|path| path.ends_with("hardware/disks.txt")));
}

#[test]
fn the_recipes_of_a_folder_are_listed_by_name() {
    let project = Project::new().recipe("b", "").recipe("a", "").file("recipes/a.lock", "");
    assert_eq!(ashlar_recipe::recipes(&project.recipes()).unwrap(), ["a", "b"]);
}
