use super::*;
use crate::step::{self, Step};
use crate::tools::ToolsLock;

#[derive(Debug)]
struct Reader(PathBuf);

impl Step for Reader {
    fn id(&self) -> StepId {
        StepId::new("reader")
    }
    fn about(&self) -> &'static str {
        "read a file"
    }
    fn needs(&self) -> &'static [StepId] {
        &[]
    }
    fn inputs(&self, staging: &mut Staging<'_>) -> Result<()> {
        staging.file("text", &self.0)
    }
    fn run(&self, work: &Work<'_>) -> Result<()> {
        let (from, to) = (work.place("text")?, work.out.join("text"));
        std::fs::copy(from, &to).at("written", &to)?;
        work.value("another").map(|_| ())
    }
}

#[test]
fn a_truncated_package_is_noticed_when_it_is_used_and_fetched_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(Some(dir.path())).unwrap();
    let (whole, sum) = ("a whole package", digest::text("a whole package"));
    std::fs::create_dir_all(store.deb(&sum).parent().unwrap()).unwrap();
    let value = format!("{sum} bash amd64\n");
    let mut staged = Staged::default();
    staged.values.insert("packages".into(), value);
    let work = Work {
        id: step::BASE,
        staged: &staged,
        version: "",
        outputs: BTreeMap::new(),
        out: dir.path(),
        sandbox: &Sandbox::host(),
        store: &store,
    };
    let pool = || work.pool(store.draft("repo").unwrap().path());
    std::fs::write(store.deb(&sum), &whole[..7]).unwrap();
    assert!(matches!(pool(), Err(BuildError::Damaged { name, .. }) if name == "bash"));
    assert!(!store.deb(&sum).exists(), "fetching would take it for the package");
    std::fs::write(store.deb(&sum), whole).unwrap();
    assert_eq!(pool().unwrap(), ["bash"]);
}

#[test]
fn an_edit_between_hashing_and_running_is_for_the_next_build_and_nothing_undeclared_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("edited");
    std::fs::write(&file, "before").unwrap();
    let composed = composed(dir.path());
    let sources = Sources { composed: &composed, lock: None, programs: None, tools: None };
    let out = dir.path().join("out");
    let step = Reader(file.clone());
    let staged = step::stage(&step, sources, Some(dir.path())).unwrap();
    std::fs::write(&file, "after").unwrap();
    std::fs::create_dir(&out).unwrap();
    let work = Work {
        id: step.id(),
        staged: &staged,
        version: "",
        outputs: BTreeMap::new(),
        out: &out,
        sandbox: &Sandbox::host(),
        store: &Store::open(Some(dir.path())).unwrap(),
    };
    let error = step.run(&work).unwrap_err();
    assert!(error.to_string().contains("reader reads another"), "{error}");
    let read = std::fs::read_to_string(out.join("text")).unwrap();
    assert_eq!((read.as_str(), digest::text(&read)), ("before", staged.values["text"].clone()));
}

fn composed(dir: &Path) -> Composed {
    std::fs::create_dir_all(dir.join("recipes")).unwrap();
    let recipe = "description = \"x\"\n[kernel]\npackage = \"linux-image-amd64\"\n";
    std::fs::write(dir.join("recipes/x.toml"), recipe).unwrap();
    ashlar_recipe::compose(&dir.join("recipes"), "x").unwrap()
}

#[test]
fn a_library_of_the_tools_that_moved_is_another_input_of_each_step_that_runs_tools() {
    let dir = tempfile::tempdir().unwrap();
    let (composed, store) = (composed(dir.path()), Store::open(Some(dir.path())).unwrap());
    let staged = |lock: &ToolsLock| {
        let tools = Toolbox::unlooked(&store, lock);
        let sources =
            Sources { composed: &composed, lock: None, programs: None, tools: Some(&tools) };
        step::ALL.map(|step| step::stage(step, sources, None).unwrap().values)
    };
    let lock = ToolsLock::of(None).unwrap();
    let (before, after) = (staged(&lock), staged(&lock.with("libzstd1", &"f".repeat(64))));
    let moved: Vec<StepId> = step::ALL
        .iter()
        .zip(before.iter().zip(&after))
        .filter(|(_, (before, after))| before != after)
        .map(|(step, _)| step.id())
        .collect();
    let without = [step::CHECKSUM, step::ISO];
    let with = step::ALL.iter().map(|step| step.id()).filter(|id| !without.contains(id));
    assert_eq!(moved, with.collect::<Vec<_>>());
}

#[test]
fn how_patterns_match_is_an_input_of_each_step_that_chooses_modules_by_them() {
    for part in ["fn matches(", "fn same_dashes("] {
        assert!(ashlar_recipe::matching().contains(part), "{part}");
    }
    let dir = tempfile::tempdir().unwrap();
    let composed = composed(dir.path());
    let sources = Sources { composed: &composed, lock: None, programs: None, tools: None };
    for step in step::ALL {
        let values = step::stage(step, sources, None).unwrap().values;
        let chooses = step::sources_of(step.id()).any(|(name, _)| name == "src/modules.rs");
        assert_eq!(values.contains_key("matching of modules"), chooses, "{}", step.id());
    }
}
