//! Checks of the image as a whole: what is on the disk and whether it belongs
//! together.

use super::Severity::Error;
use super::{Check, Findings, Subject};
use crate::{Content, uki};
use ashlar_sandbox::SandboxError;
use bytesize::ByteSize;
use miette::IntoDiagnostic;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "root-intact",
        severity: Error,
        rule: "every file of the root can be read",
        explanation: "The root is unpacked with fsck.erofs, which reads every compressed block. \
                      A failure means a damaged image: compare it with SHA256SUMS, or build again.",
        run: root_intact,
    },
    Check {
        name: "verity-intact",
        severity: Error,
        rule: "the hash tree matches the root, block by block",
        explanation: "veritysetup computes the hash of every block of the root and compares it \
                      with the tree and the root hash. A node refuses to read a block that does \
                      not match, so such an image boots to an error or dies later.",
        run: verity_intact,
    },
    Check {
        name: "slot-consistent",
        severity: Error,
        rule: "root, hash tree, partition ids and UKI belong together",
        explanation: "The command line of the UKI carries roothash=, the hash of the tree is that \
                      value, and the two partition ids are its halves, by which the initrd finds \
                      them. Every boot entry of every UKI must carry a root hash: one without it \
                      would boot a root that nobody verified.",
        run: slot_consistent,
    },
    Check {
        name: "size-budget",
        severity: Error,
        rule: "the root and the UKI fit the recipe's [budget]",
        explanation: "Partitions cannot be made larger in the field, so sizes are watched from \
                      the first build. Leave packages or kernel modules out, or raise the budget \
                      in the recipe, on purpose.",
        run: size_budget,
    },
    Check {
        name: "os-release",
        severity: Error,
        rule: "os-release names the image and its version, the same in root and UKI",
        explanation: "IMAGE_ID and IMAGE_VERSION in /usr/lib/os-release are what systemd-sysupdate, \
                      the boot menu and `ashlarctl status` go by. The UKI has a copy; if the two \
                      differ, one of them is from another build.",
        run: os_release,
    },
    Check {
        name: "seed-empty",
        severity: Error,
        rule: "the seed partition carries no site",
        explanation: "A built image belongs to nobody. The site is written to the seed when an \
                      image is flashed or a machine is made from it, into a copy. An image with a \
                      site in it hands the key of that cluster to whoever gets the image.",
        run: seed_empty,
    },
];

fn root_intact(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    if let Some(why) = subject.unpacking_failed() {
        findings.add("root-a", why);
    }
    Ok(())
}

fn verity_intact(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let inspection = &subject.image.inspection;
    let pair = (inspection.labelled("root-a"), inspection.labelled("verity-a"));
    let (Some(root), Some(verity)) = pair else {
        findings.add("verity-a", "there is no such partition");
        return Ok(());
    };
    let Content::Verity(tree) = &verity.content else {
        findings.add("verity-a", "it has no hash tree");
        return Ok(());
    };
    let Some(root_hash) = &tree.root_hash else {
        findings.add("verity-a", format!("its root hash cannot be told ({})", tree.algorithm));
        return Ok(());
    };
    // What the UKI asks for counts; slot-consistent says whether it is this one.
    let asked = inspection.ukis().find_map(|file| file.uki.parameter("roothash"));
    let data = tree.data_blocks.saturating_mul(tree.data_block_size);
    let parts = [("data", root, data), ("hashes", verity, tree.used)];
    for (name, report, length) in parts {
        let place = subject.image.work().join(name);
        subject.image.disk.copy_out(&report.partition, length, &place).into_diagnostic()?;
    }
    let verified = subject
        .options
        .sandbox
        .command("verifying the hash tree", "veritysetup")
        .args(["verify", "/run/work/data", "/run/work/hashes", asked.unwrap_or(root_hash)])
        .read(subject.image.work(), "work")
        .run();
    for (name, ..) in parts {
        std::fs::remove_file(subject.image.work().join(name)).into_diagnostic()?;
    }
    match verified {
        Ok(_) => Ok(()),
        Err(SandboxError::Tool { tail, .. }) => {
            findings.add("root-a", tail);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn slot_consistent(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let inspection = &subject.image.inspection;
    if inspection.slots.is_empty() {
        findings.add("root-a", "there is no bootable slot");
    }
    for slot in &inspection.slots {
        for problem in &slot.problems {
            findings.add(format!("slot {}", slot.slot), problem);
        }
    }
    if inspection.ukis().next().is_none() {
        findings.add("esp", "there is no UKI in /EFI/Linux");
    }
    for file in inspection.ukis() {
        if file.uki.command_line.is_none() {
            findings.add(&file.path, "it has no command line");
        }
        for line in file.uki.command_lines() {
            if uki::parameter(line, "roothash").is_none() {
                findings.add(&file.path, format!("no roothash= on its command line: {line}"));
            }
        }
    }
    Ok(())
}

fn size_budget(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let Some(budget) = &subject.options.budgets else {
        findings.skip("the recipe is not known; run it inside the project, or name --profile");
        return Ok(());
    };
    let mut hold = |place: &str, what: &str, size: u64, most: Option<u64>| {
        if let Some(most) = most.filter(|most| size > *most) {
            findings.add(
                place,
                format!(
                    "{} is {} over budget.{what} = {}",
                    ByteSize(size),
                    ByteSize(size - most),
                    ByteSize(most)
                ),
            );
        }
    };
    for slot in ["a", "b"] {
        let label = format!("root-{slot}");
        if let Some(size) = subject.image.inspection.labelled(&label).and_then(|root| root.used) {
            hold(&label, "root", size, budget.root);
        }
    }
    for file in subject.image.inspection.ukis() {
        hold(&file.path, "uki", file.size, budget.uki);
    }
    Ok(())
}

fn os_release(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let path = "/usr/lib/os-release";
    let Some(tree) = subject.tree(findings) else { return Ok(()) };
    let Some(text) = tree.text(path).into_diagnostic()? else {
        findings.add(path, "it is missing");
        return Ok(());
    };
    let fields = uki::fields(&text);
    for key in ["IMAGE_ID", "IMAGE_VERSION"] {
        let Some(value) = fields.get(key).filter(|value| !value.is_empty()) else {
            findings.add(path, format!("{key} is missing"));
            continue;
        };
        let own = subject.image.inspection.slots.iter().find(|slot| slot.slot == "a");
        let uki = own.and_then(|slot| slot.uki.as_deref());
        for file in subject.image.inspection.ukis().filter(|file| Some(file.path.as_str()) == uki) {
            let other = file.uki.os_release.get(key);
            if other != Some(value) {
                let other = other.map_or("nothing", String::as_str);
                findings.add(&file.path, format!("{key} is {other}, in the root it is {value}"));
            }
        }
    }
    Ok(())
}

fn seed_empty(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    match subject.image.inspection.labelled("seed").map(|seed| &seed.content) {
        Some(Content::Vfat(fat)) => {
            for file in &fat.files {
                findings.add("seed", format!("{} is in it", file.path));
            }
        }
        Some(Content::Empty) | None => {}
        Some(_) => findings.add("seed", "it is neither empty nor a FAT file system"),
    }
    Ok(())
}
