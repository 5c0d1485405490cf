//! What takes the room: which package, which kernel module, what no package
//! brought; and the parts of the UKIs.

use crate::erofs::{self, Stored};
use crate::error::InspectError;
use crate::packages;
use crate::tree::Tree;
use crate::{Inspection, Opened};
use serde::Serialize;
use std::collections::BTreeMap;

/// The name under which files stand that no package brought.
pub const NO_PACKAGE: &str = "(no package)";

/// What takes how much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// The root file system, packed.
    pub root: u64,
    /// Packages, the largest first; what none brought is among them, under
    /// [`NO_PACKAGE`]. The kernel's package counts without its modules.
    pub packages: Vec<Cost>,
    /// Kernel modules, the largest first.
    pub modules: Vec<Cost>,
    /// Files that no package brought, the largest first.
    pub others: Vec<Cost>,
    /// The parts of each UKI.
    pub ukis: Vec<UkiCost>,
}

/// What one thing costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cost {
    /// Its name.
    pub name: String,
    /// Bytes that it takes in the root, packed.
    pub stored: u64,
    /// Bytes of its files, unpacked.
    pub size: u64,
    /// How many files.
    pub files: u64,
}

/// The parts of one UKI.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UkiCost {
    /// Where it is on its partition.
    pub path: String,
    /// Its bytes.
    pub size: u64,
    /// Its sections and their bytes, the largest first.
    pub sections: BTreeMap<String, u64>,
}

impl Sizes {
    /// Adds up an image.
    ///
    /// # Errors
    /// When its root cannot be read.
    pub fn of(image: &Opened) -> Result<Self, InspectError> {
        let tree = image.root()?;
        let root = image.inspection.labelled("root-a").map(|report| &report.partition);
        let read = |what: &str, source| InspectError::Read {
            path: image.disk.path.clone(),
            what: what.to_owned(),
            source,
        };
        let files = match root {
            Some(root) => erofs::stored(&image.disk.region(root))
                .map_err(|source| read("the root file system", source))?,
            None => BTreeMap::new(),
        };
        let mut sizes = add_up(tree, &files).map_err(|source| read("dpkg's lists", source))?;
        sizes.root = image.inspection.labelled("root-a").and_then(|root| root.used).unwrap_or(0);
        sizes.ukis = ukis(&image.inspection);
        Ok(sizes)
    }
}

fn add_up(tree: &Tree, files: &BTreeMap<String, Stored>) -> std::io::Result<Sizes> {
    let owners = packages::owners(tree)?;
    let (mut packages, mut modules, mut others) = (Costs::new(), Costs::new(), Costs::new());
    for (path, stored) in files {
        if let Some(module) = module(path) {
            add(&mut modules, module, stored);
            continue;
        }
        let owner = owners.get(path).map_or(NO_PACKAGE, String::as_str);
        add(&mut packages, owner, stored);
        if owner == NO_PACKAGE {
            add(&mut others, path, stored);
        }
    }
    Ok(Sizes {
        root: 0,
        packages: sorted(packages),
        modules: sorted(modules),
        others: sorted(others),
        ukis: Vec::new(),
    })
}

type Costs = BTreeMap<String, Cost>;

fn add(costs: &mut Costs, name: &str, file: &Stored) {
    let cost = costs.entry(name.to_owned()).or_insert_with(|| Cost {
        name: name.to_owned(),
        stored: 0,
        size: 0,
        files: 0,
    });
    cost.stored += file.stored;
    cost.size += file.size;
    cost.files += 1;
}

fn sorted(costs: Costs) -> Vec<Cost> {
    let mut costs: Vec<Cost> = costs.into_values().collect();
    costs.sort_by(|one, other| other.stored.cmp(&one.stored).then(one.name.cmp(&other.name)));
    costs
}

/// The path of a kernel module below `kernel/`, without `.ko`.
fn module(path: &str) -> Option<&str> {
    let below = path.strip_prefix("/usr/lib/modules/")?.split_once("/kernel/")?.1;
    below.strip_suffix(".ko")
}

fn ukis(inspection: &Inspection) -> Vec<UkiCost> {
    let cost = |file: &crate::UkiFile| UkiCost {
        path: file.path.clone(),
        size: file.size,
        sections: file.uki.sections.iter().map(|part| (part.name.clone(), part.size)).collect(),
    };
    inspection.ukis().map(cost).collect()
}

#[cfg(test)]
mod tests {
    use super::{NO_PACKAGE, Stored, add_up};
    use crate::tree::Tree;

    #[test]
    fn every_file_counts_for_its_package_or_its_module_and_only_once() {
        let dir = tempfile::tempdir().unwrap();
        let info = dir.path().join("usr/lib/sysimage/dpkg/info");
        std::fs::create_dir_all(&info).unwrap();
        std::fs::write(info.join("bash.list"), "/.\n/bin\n/bin/bash\n/usr/share/doc/bash\n")
            .unwrap();
        std::fs::write(info.join("linux.list"), "/lib/modules/6/kernel/fs/xfs/xfs.ko.xz\n")
            .unwrap();
        let tree = Tree::read_list(dir.path()).unwrap();
        let files = [
            ("/usr/bin/bash", 10, 4),
            ("/usr/lib/modules/6/kernel/fs/xfs/xfs.ko", 30, 20),
            ("/usr/bin/ours", 9, 9),
        ];
        let files = files.map(|(path, size, stored)| (path.to_owned(), Stored { size, stored }));
        let sizes = add_up(&tree, &files.into_iter().collect()).unwrap();
        let shown = |costs: &[super::Cost]| {
            costs.iter().map(|cost| format!("{} {}", cost.name, cost.stored)).collect::<Vec<_>>()
        };
        assert_eq!(shown(&sizes.packages), [format!("{NO_PACKAGE} 9"), "bash 4".into()]);
        assert_eq!(shown(&sizes.modules), ["fs/xfs/xfs 20"]);
        assert_eq!(shown(&sizes.others), ["/usr/bin/ours 9"]);
    }
}
