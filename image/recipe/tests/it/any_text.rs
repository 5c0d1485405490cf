//! Properties over texts and recipes that nobody would write.

use crate::project::Project;
use ashlar_recipe::{Recipe, Size, compose};
use ashlar_site::AgentSettings;
use proptest::prelude::*;

/// Text that looks like TOML more often than not.
fn toml_like() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        "[a-z-]{1,8}",
        Just("packages".to_owned()),
        Just("extends".to_owned()),
        Just("kernel".to_owned()),
        Just("kernel.package".to_owned()),
        Just("machine".to_owned()),
        Just("remove.kernel.command-line".to_owned()),
        Just("hardware.sets".to_owned()),
        Just("disk.root".to_owned()),
        Just("agent.ring".to_owned()),
        Just("remove.packages".to_owned()),
    ];
    let value = prop_oneof![
        "'[a-zé ]{0,6}'",
        "[0-9]{1,4}",
        Just("true".to_owned()),
        Just("['a', 'é', 'x']".to_owned()),
        Just("['a', ['b'], {c = 1}]".to_owned()),
        Just("{ package = 'vm' }".to_owned()),
        Just("{ packages = 'x', b.c = [1] }".to_owned()),
        Just("1979-05-27".to_owned()),
        ".{0,8}",
    ];
    let line = prop_oneof![
        4 => (key.clone(), value).prop_map(|(key, value)| format!("{key} = {value}")),
        1 => key.clone().prop_map(|key| format!("[{key}]")),
        1 => key.prop_map(|key| format!("[[{key}]]")),
        1 => ".{0,12}",
    ];
    prop::collection::vec(line, 0..6).prop_map(|lines| lines.join("\n"))
}

fn names() -> impl Strategy<Value = Vec<String>> {
    prop::collection::btree_set("[a-z][a-z0-9]{1,6}", 0..5)
        .prop_map(|names| names.into_iter().collect())
}

fn recipes() -> impl Strategy<Value = Recipe> {
    let sizes = (1..5000u64, 1..5000u64);
    (".{0,20}", names(), names(), sizes, any::<(bool, u64)>()).prop_map(
        |(description, packages, words, (root, budget), (ring, settle))| {
            let mut recipe = Recipe { description, packages, ..Recipe::default() };
            recipe.kernel.command_line = words;
            recipe.disk.root = Size::mebibytes(root);
            recipe.budget.root = Some(Size::bytes(budget));
            recipe.agent = AgentSettings::default();
            recipe.agent.ring.enabled = ring;
            recipe.agent.ring.settle_seconds = settle >> 1;
            recipe
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_composition_panic(text in toml_like()) {
        let project = Project::new().recipe("x", &text).recipe("a", "packages = ['aa']");
        if let Err(error) = compose(&project.recipes(), "x") {
            let _ = format!("{:?}", miette::Report::new(error));
        }
    }

    #[test]
    fn a_composed_recipe_written_and_composed_again_is_the_same(recipe in recipes()) {
        let project = Project::new().recipe("one", &toml::to_string(&recipe).unwrap());
        let one = project.composed("one").recipe;
        prop_assert_eq!(&one, &recipe);
        let project = project.recipe("two", &toml::to_string(&one).unwrap());
        prop_assert_eq!(&project.composed("two").recipe, &one);
        let project = project.recipe("child", "extends = ['one', 'two']");
        prop_assert_eq!(&project.composed("child").recipe, &one);
    }
}
