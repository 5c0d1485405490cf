//! No circles between files: of two that lie side by side, one can be read without
//! the other.

#[cfg(test)]
mod tests {
    use crate::command::workspace;
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    /// A module's path from the root of its crate.
    type Module = Vec<String>;

    /// What every module of a crate uses of the others, its tests aside.
    #[derive(Debug, Default)]
    struct Crate {
        modules: BTreeMap<Module, Vec<Module>>,
        /// What the root passes on: name → where it is.
        passed: BTreeMap<String, Module>,
    }

    impl Crate {
        fn read(sources: &Path) -> Self {
            let mut read = Self::default();
            let mut ahead = vec![sources.to_owned()];
            while let Some(directory) = ahead.pop() {
                for entry in std::fs::read_dir(&directory).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() {
                        ahead.push(path);
                    } else if let Some(module) = module(path.strip_prefix(sources).unwrap()) {
                        read.add(module, &std::fs::read_to_string(&path).unwrap());
                    }
                }
            }
            read
        }

        fn add(&mut self, module: Module, text: &str) {
            let code = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or(text);
            let code: Vec<&str> =
                code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            let code = code.join("\n");
            let mut used = Vec::new();
            for (start, base) in [("crate::", Some(Vec::new())), ("super::", above(&module))] {
                let Some(base) = base else { continue };
                for (at, _) in code.match_indices(start) {
                    // `super::super::` counts once, and `pub(in crate::x)` not at all.
                    if code[..at].ends_with("::") || code[..at].ends_with("in ") {
                        continue;
                    }
                    used.extend(tree(&code[at + start.len()..]).into_iter().map(|path| {
                        let ups = path.iter().take_while(|part| *part == "super").count();
                        let base = &base[..base.len().saturating_sub(ups)];
                        base.iter().chain(&path[ups..]).cloned().collect()
                    }));
                }
            }
            if module.is_empty() {
                for part in code.split("pub use ").skip(1) {
                    let part = part.split(';').next().unwrap_or_default();
                    for path in tree(part.trim_start_matches("crate::")) {
                        self.passed.extend(path.last().cloned().map(|name| (name, path)));
                    }
                }
            }
            self.modules.insert(module, used);
        }

        /// The circles among the modules that lie side by side, all that is below a
        /// module being a part of it.
        fn circles(&self) -> Vec<String> {
            let places: BTreeSet<&[String]> = self
                .modules
                .keys()
                .filter_map(|m| m.split_last().map(|(_, above)| above))
                .collect();
            places.into_iter().flat_map(|place| self.circles_in(place)).collect()
        }

        fn circles_in(&self, place: &[String]) -> Vec<String> {
            let child = |module: &[String]| {
                let below = module.strip_prefix(place)?.first()?;
                let path: Module = place.iter().chain([below]).cloned().collect();
                self.modules.contains_key(&path).then(|| below.clone())
            };
            let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for (module, used) in &self.modules {
                let Some(from) = child(module) else { continue };
                for path in used {
                    let passed = (path.len() == 1).then(|| self.passed.get(&path[0])).flatten();
                    let to = child(passed.unwrap_or(path)).filter(|to| *to != from);
                    arrows.entry(from.clone()).or_default().extend(to);
                }
            }
            let reaches = |from: &String| {
                let (mut seen, mut ahead) = (BTreeSet::new(), vec![from]);
                while let Some(next) = ahead.pop() {
                    let further = arrows.get(next).into_iter().flatten();
                    ahead.extend(further.filter(|to| seen.insert((*to).clone())));
                }
                seen
            };
            let all: BTreeMap<&String, BTreeSet<String>> =
                arrows.keys().map(|from| (from, reaches(from))).collect();
            let mut found = BTreeSet::new();
            for (from, reached) in &all {
                let back = |to: &&String| all.get(to).is_some_and(|it| it.contains(*from));
                let circle: BTreeSet<&str> =
                    reached.iter().filter(back).map(String::as_str).collect();
                if !circle.is_empty() {
                    let names: Vec<&str> = circle.into_iter().collect();
                    found.insert(format!("{}: {}", place.join("::"), names.join(", ")));
                }
            }
            found.into_iter().collect()
        }
    }

    fn above(module: &[String]) -> Option<Module> {
        module.split_last().map(|(_, above)| above.to_vec())
    }

    /// The module that a file is; none, if it holds tests.
    fn module(file: &Path) -> Option<Module> {
        if file.extension()? != "rs" {
            return None;
        }
        let stem = file.file_stem()?.to_str()?;
        let folder = file.parent()?.iter().map(|part| part.to_str().map(str::to_owned));
        let mut module: Module = folder.collect::<Option<_>>()?;
        match stem {
            "lib" | "main" if module.is_empty() => {}
            "mod" => {}
            stem => module.push(stem.to_owned()),
        }
        let tests = |part: &String| part == "tests" || part.starts_with("test_");
        (!module.iter().any(tests)).then_some(module)
    }

    /// The paths of a tree of names, as it stands after `use`.
    fn tree(text: &str) -> Vec<Module> {
        let text = text.trim_start();
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        if !name.is_empty() {
            let Some(below) = rest.strip_prefix("::") else { return vec![vec![name.to_owned()]] };
            let mut paths = tree(below);
            if paths.is_empty() {
                paths.push(Vec::new());
            }
            paths.iter_mut().for_each(|path| path.insert(0, name.to_owned()));
            return paths;
        }
        let Some(inside) = rest.strip_prefix('{') else { return Vec::new() };
        let (mut depth, mut start, mut paths) = (0_u32, 0, Vec::new());
        for (at, c) in inside.char_indices() {
            match c {
                '{' => depth += 1,
                ',' if depth == 0 => {
                    paths.extend(tree(&inside[start..at]));
                    start = at + 1;
                }
                '}' if depth == 0 => {
                    paths.extend(tree(&inside[start..at]));
                    break;
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
        paths
    }

    /// Crates that have circles still. Each that goes from here stays out.
    const NOT_YET: [&str; 3] = ["cluster", "daemon", "serf-rs"];

    #[test]
    fn no_files_that_lie_side_by_side_import_each_other() {
        let mut wrong = String::new();
        let crates = ["image", "agent"].map(|of| std::fs::read_dir(workspace().join(of)).unwrap());
        for place in crates.into_iter().flatten().map(|entry| entry.unwrap().path()) {
            if NOT_YET.iter().any(|name| place.ends_with(name)) {
                continue;
            }
            for circle in Crate::read(&place.join("src")).circles() {
                wrong += &format!("{} {circle}\n", place.display());
            }
        }
        assert!(wrong.is_empty(), "circles:\n{wrong}");
    }

    #[test]
    fn a_circle_is_found_however_it_is_written_and_parents_are_none() {
        let circles = |files: &[(&str, &str)]| {
            let mut found = Crate::default();
            for (file, text) in files {
                found.add(module(Path::new(file)).unwrap(), text);
            }
            found.circles()
        };
        let (one, two) = ("use crate::{b::{self, X}, c};\n", "fn f() -> super::a::Y {}\n");
        assert_eq!(circles(&[("a.rs", one), ("b.rs", two), ("c.rs", "")]), [": a, b"]);
        // By a name that the root passes on, and from below.
        let root = ("lib.rs", "pub use a::{Y, Z};\n");
        let below = ("b/deep.rs", "use crate::Z;\nuse super::W;\n");
        assert_eq!(circles(&[root, ("a.rs", one), ("b/mod.rs", "mod deep;\n"), below]), [": a, b"]);
        let inner = [("s/mod.rs", "use self::a;\n"), ("s/a.rs", "use super::b;\n")];
        let inner = [inner[0], inner[1], ("s/b.rs", "use crate::s::a::N;\n")];
        assert_eq!(circles(&inner), ["s: a, b"]);
        // What tests use, and what a comment names, is no matter.
        let tests = "// crate::a\n#[cfg(test)]\nmod tests {\n    use crate::a;\n}\n";
        assert!(circles(&[("a.rs", one), ("b.rs", tests), ("c.rs", "use super::b;")]).is_empty());
    }
}
