use super::*;
use crate::locking::Locking;
use crate::plan::Plan;
use crate::stage::Sources;
use crate::store::Store;
use ashlar_sandbox::Sandbox;

#[test]
fn a_version_that_is_published_again_is_never_missing_in_between() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("1.0");
    for text in ["first", "second"] {
        let draft = tempfile::tempdir_in(dir.path()).unwrap();
        std::fs::write(draft.path().join("x"), text).unwrap();
        replace(draft, &place).unwrap();
        point_latest_at(dir.path(), "1.0").unwrap();
        let read = std::fs::read_to_string(dir.path().join("latest/x")).unwrap();
        assert_eq!(read, text);
    }
    let names = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(names, 2, "something is left beside the version and `latest`");
}

#[test]
fn a_published_file_that_somebody_wrote_to_has_another_stamp() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let first = Stamp::of(file.path()).unwrap();
    assert_eq!(Stamp::of(file.path()).unwrap(), first);
    std::fs::write(file.path(), "x").unwrap();
    assert_ne!(Stamp::of(file.path()).unwrap(), first);
}

/// A profile with these limits, in a project of its own.
fn composed(dir: &Path, budget: &str) -> Composed {
    let recipes = dir.join("recipes");
    std::fs::create_dir_all(&recipes).unwrap();
    let recipe = "description = \"x\"\n[kernel]\npackage = \"linux\"\n";
    std::fs::write(recipes.join("x.toml"), format!("{recipe}[budget]\n{budget}\n")).unwrap();
    ashlar_recipe::compose(&recipes, "x").unwrap()
}

fn request(dir: &Path, version: Option<&str>) -> Request {
    Request {
        project: Project::find(Some(dir)).unwrap(),
        profile: "x".into(),
        locking: Locking::Refuse,
        version: version.map(str::to_owned),
        agent_dir: None,
        vendor: None,
        cache_dir: Some(dir.join("cache")),
        targets: Target::USUAL.into(),
    }
}

/// Calls it with a build of that profile, and its plan.
fn with_build<T>(
    dir: &Path,
    composed: &Composed,
    version: &str,
    call: impl Fn(&Build<'_>) -> T,
) -> T {
    let sources = Sources { composed, lock: None, programs: None, tools: None };
    let staged = step::stage_all(sources, None).unwrap();
    let build = Build {
        plan: &Plan::new(&step::ALL, &staged, version),
        staged: &staged,
        store: &Store::open(Some(&dir.join("cache"))).unwrap(),
        tools: &Sandbox::host(),
        toolbox: None,
        version,
    };
    call(&build)
}

/// As if a version were published.
fn publish_nothing(build: &Build<'_>, request: &Request, composed: &Composed) {
    let parent = request.project.out().join(&composed.name);
    std::fs::create_dir_all(place(&request.project, &composed.name, build.version)).unwrap();
    std::fs::create_dir_all(parent.join(".published")).unwrap();
    let record = Remembered {
        keys: keys(build, request),
        budget: budget_text(composed),
        files: BTreeMap::new(),
    };
    let text = serde_json::to_vec(&record).unwrap();
    std::fs::write(super::record(&parent, build.version), text).unwrap();
}

#[test]
fn a_lower_budget_refuses_what_is_published_and_no_budget_has_a_step_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let first = composed(dir.path(), "root = \"250MB\"");
    let asked = request(dir.path(), None);
    let keys_of =
        |composed: &Composed| with_build(dir.path(), composed, "1", |build| keys(build, &asked));
    let before = keys_of(&first);
    with_build(dir.path(), &first, "1", |build| publish_nothing(build, &asked, &first));
    let untouched = |composed: &Composed| {
        with_build(dir.path(), composed, "1", |build| untouched(build, &asked, composed))
            .unwrap()
            .is_some()
    };
    assert!(untouched(&first));
    for (budget, fits) in [("root = \"200MB\"", false), ("root = \"300MB\"", true)] {
        let other = composed(dir.path(), budget);
        assert_eq!(keys_of(&other), before, "a step would run again");
        assert!(!untouched(&other), "what was published is not measured again");
        let judged = within_budget(&other, step::ROOT, "root.erofs", 240_000_000);
        assert_eq!(judged.is_ok(), fits, "{judged:?}");
    }
}

#[test]
fn a_version_that_somebody_chose_takes_the_same_contents_again_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let one = composed(dir.path(), "");
    let mut other = one.clone();
    other.recipe.image.documentation_url = Some("https://docs.example.org/".into());
    let chosen = request(dir.path(), Some("1.4"));
    with_build(dir.path(), &one, "1.4", |build| publish_nothing(build, &chosen, &one));
    let may = |request: &Request, composed: &Composed| {
        with_build(dir.path(), composed, "1.4", |build| may_take(request, composed, build))
    };
    may(&chosen, &one).unwrap();
    let error = may(&chosen, &other).unwrap_err();
    assert!(matches!(&error, BuildError::VersionTaken { version, .. } if version == "1.4"));
    // One that follows from the contents is as it should be whatever it replaces.
    may(&request(dir.path(), None), &other).unwrap();
}
