use super::*;
use ashlar_site::Site;
use std::io::Cursor;
use std::path::Path;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@here";

/// A project with some of our recipes, and no sites yet.
fn project() -> (tempfile::TempDir, Project) {
    let dir = tempfile::tempdir().unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::create_dir(dir.path().join("recipes")).unwrap();
    for entry in [
        "overlays",
        "recipes/machines",
        "recipes/hardware",
        "recipes/minimal.toml",
        "recipes/retail.toml",
        "recipes/retail-metal.toml",
    ] {
        std::os::unix::fs::symlink(ours.join(entry), dir.path().join(entry)).unwrap();
    }
    std::fs::write(dir.path().join("me.pub"), KEY).unwrap();
    let project = Project::find(Some(dir.path())).unwrap();
    (dir, project)
}

/// What a person saw who typed that, and what came of it.
fn typed(project: &Project, keys: &str) -> (String, Option<Answers>) {
    let cards = cards::all(project).unwrap();
    let mut screen = Vec::new();
    let answers = ask(&mut Cursor::new(keys), &mut screen, &cards, project).unwrap();
    (String::from_utf8(screen).unwrap(), answers)
}

#[test]
fn the_questions_as_they_are_asked_fit_into_80_cells_and_24_lines() {
    let (_dir, project) = project();
    let (screen, answers) = typed(&project, "\n\n\n\n\n\n\n\n\nyes\n");
    assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
    let first = screen.split("What are the boxes").next().unwrap();
    assert!(first.lines().count() <= 23, "the cards and their question: {screen}");
    insta::assert_snapshot!(screen);
    let answers = answers.unwrap();
    assert_eq!(answers.command(), "ashlar site new shop --expect 3");
    assert_eq!(answers.profile, "retail-metal");
}

#[test]
fn every_shipped_card_stands_in_three_lines_of_80_cells_whole_and_a_longer_one_is_cut() {
    let (dir, project) = project();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    for name in ["gpu", "solo", "solo-metal", "witness"].map(|name| format!("{name}.toml")) {
        let _ =
            std::os::unix::fs::symlink(ours.join(&name), dir.path().join("recipes").join(&name));
    }
    let drawn = |project| {
        let cards = cards::all(project).unwrap();
        let text = cards::shown(&cards).0 + &cards::others(&cards);
        assert_eq!(text.lines().count(), 3 * cards.len(), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        text
    };
    let text = drawn(&project);
    assert!(!text.contains("..."), "{text}");
    assert!(text.contains("runs one cluster, a vote beside two boxes that carry data\n"), "{text}");
    let own =
        "extends = \"minimal\"\ndescription = \"".to_owned() + &"screens ".repeat(20) + "\"\n";
    std::fs::write(dir.path().join("recipes/kiosk.toml"), own).unwrap();
    let text = drawn(&project);
    assert!(text.contains("screens screens ...\n"), "{text}");
}

#[test]
fn the_first_choice_is_the_plain_cluster_and_a_profile_for_one_box_takes_one() {
    let (dir, project) = project();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    for name in ["gpu.toml", "minimal-metal.toml", "solo.toml", "solo-metal.toml"] {
        std::os::unix::fs::symlink(ours.join(name), dir.path().join("recipes").join(name)).unwrap();
    }
    let (screen, answers) = typed(&project, "solo-metal\n\n3\n\n\n\n\n\n\n\nyes\n");
    let names: Vec<_> = cards::all(&project).unwrap().into_iter().map(|card| card.name).collect();
    let (first, aside) = names.split_at(3);
    assert_eq!(first, ["retail-metal", "gpu", "solo-metal"]);
    assert_eq!(aside, ["minimal-metal", "minimal", "retail", "solo"], "a base is no first choice");
    assert!(screen.contains("solo-metal is for one box by itself: expected 1"), "{screen}");
    assert_eq!(answers.unwrap().command(), "ashlar site new shop --expect 1");
}

#[test]
fn every_answer_is_checked_when_it_is_given_in_the_words_of_the_schema() {
    let (dir, project) = project();
    std::fs::create_dir_all(project.keys().join("old")).unwrap();
    std::fs::write(project.keys().join("old/site.toml"), "").unwrap();
    let key = dir.path().join("me.pub").display().to_string();
    let stack = dir.path().join("till.yml").display().to_string();
    std::fs::write(&stack, "services: {}\n").unwrap();
    let keys = format!(
        "7\nretail\nMy Shop\nold\nshop-9\nmany\n0\n2\n10.83.0.1/16\nhere\n10.20.0.0/24\nmaybe\nno\n\
         /nonexistent\n{key}\n12\n4711\n/none.yml\n{stack}\nnowhere\nwifi\nperhaps\nyes\n"
    );
    let (screen, answers) = typed(&project, &keys);
    for words in [
        "expected 1 to 3, or one of:",
        "`name`: expected a DNS label",
        "exists already: take another name",
        "expected a number, or `unknown`",
        "`expect`: expected 1 to",
        "`network.cluster`: expected",
        "such as 10.83.0.0/16",
        "expected yes or no",
        "/nonexistent cannot be read",
        "expected 4 to 12 digits",
        "/none.yml cannot be read",
        "there is no hardware set `nowhere`",
        "Please type yes or no.",
    ] {
        assert!(screen.contains(words), "no `{words}` in\n{screen}");
    }
    let wanted = format!(
        "ashlar site new shop-9 --expect 2 --network 10.20.0.0/24 --no-dhcp --ssh-key {key} --pin"
    );
    let own = format!("ashlar profile new shop-9 --extends retail --stack {stack} --hardware wifi");
    assert_eq!(answers.unwrap().commands(), [own, wanted]);
}

#[test]
fn stacks_make_a_profile_of_one_s_own_and_a_recipe_that_is_there_is_not_touched() {
    let (dir, project) = project();
    let stack = dir.path().join("till.yml").display().to_string();
    std::fs::write(&stack, "services: {}\n").unwrap();
    let keys = format!("\nminimal\n\n\n\n\n\n{stack}\nnone\n\nno\n");
    let (screen, _) = typed(&project, &format!("minimal{keys}"));
    assert!(screen.contains("stacks need a Swarm"), "{screen}");
    let keys = format!("\nretail\n\n\n\n\n\n{stack}\nnone\n\nno\n");
    let (screen, _) = typed(&project, &format!("retail{keys}"));
    assert!(screen.contains("recipes/retail.toml exists already"), "{screen}");
    let (_, answers) = typed(&project, &format!("\ntill\n\n\n\n\n\n{stack}\n\nyes\n"));
    let answers = answers.unwrap();
    assert_eq!(answers.built(), "till");
    let output = Output::new(true, true);
    let recipe = make(&answers, &project, &output).unwrap();
    assert_eq!(recipe.unwrap(), project.recipes().join("till.toml"));
    let composed = ashlar_recipe::compose(&project.recipes(), "till").unwrap();
    assert_eq!(composed.recipe.stacks, ["../till.yml"]);
    let steps = steps(&answers, &cards::all(&project).unwrap());
    let commands: Vec<_> = steps.iter().flat_map(|step| &step.commands).collect();
    assert!(commands.iter().any(|command| *command == "ashlar lock till"), "{commands:?}");
    assert!(commands.iter().any(|command| *command == "ashlar build --profile till"));
}

#[test]
fn one_may_go_back_ask_for_more_and_leave_at_any_point() {
    let (_dir, project) = project();
    let (screen, answers) = typed(&project, "<\n2\nwrong\n<\nright\n?\n\n\n\n\n\n\n\nyes\n");
    assert!(screen.contains("none founds one of its"), "`?` explains: {screen}");
    assert_eq!(answers.unwrap().site, "right");
    for keys in ["", "\n\n", "\n\n\n\n\n\n\n\n\nno\n", "\n\n\n\n\n\n\n\n\n\n"] {
        assert!(typed(&project, keys).1.is_none(), "{keys:?}");
    }
    assert!(!project.keys().exists(), "nothing is made before the last answer");
}

#[test]
fn a_file_of_answers_is_checked_like_a_person() {
    let (dir, project) = project();
    let cards = cards::all(&project).unwrap();
    let file = dir.path().join("answers.toml");
    let read = |text: &str| {
        std::fs::write(&file, text).unwrap();
        told::read(&file, &cards, &project).map_err(|error| error.to_string())
    };
    let answers = read("profile = 'retail'\nsite = 'till'\nboxes = 2\ndhcp = false\n").unwrap();
    assert_eq!(answers.command(), "ashlar site new till --expect 2 --no-dhcp");
    assert!(
        steps(&answers, &cards).iter().any(|step| step.commands[0].starts_with("ashlar vm up"))
    );
    assert_eq!(read("site = 'x'").unwrap().boxes, None, "what is not said is not known");
    for (text, wanted) in [
        ("profile = 'nonsense'", "`profile`: expected 1 to"),
        ("site = 'My Shop'", "`site`: `name`: expected a DNS label"),
        ("boxes = 0", "`boxes`: `expect`: expected"),
        ("network = 'x'", "`network`: expected a network"),
        ("ssh-keys = ['/nonexistent']", "`ssh-keys`: /nonexistent"),
        ("stacks = ['/none.yml']", "`stacks`: /none.yml cannot be read"),
        ("hardware = ['nowhere']", "`hardware`: there is no hardware set `nowhere`"),
        ("pin-hash = '4711'", "expected what `ashlar site pin` prints"),
        ("shop = 1", "unknown field `shop`"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(wanted) && error.contains("answers.toml"), "{text}: {error}");
    }
}

#[test]
fn what_was_answered_is_the_site_that_is_made() {
    let (_dir, project) = project();
    let (_, answers) = typed(&project, "\nshop\n2\n10.20.0.0/24\n\n\n4711\n\n\nyes\n");
    let answers = answers.unwrap();
    let output = crate::output::Output::new(true, true);
    site::create(&answers.site(), false, &project, &output).unwrap();
    let site = Site::load(&site::place(&project, "shop")).unwrap();
    assert_eq!((site.expect, site.network.cluster.to_string().as_str()), (Some(2), "10.20.0.0/24"));
    assert!(site.console.pin_hash.unwrap().is("4711"));
}
