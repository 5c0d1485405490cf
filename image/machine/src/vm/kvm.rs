//! Whether this host's KVM really runs a kernel.
//!
//! `/dev/kvm` may open, create a machine and still stop at the first
//! instruction that it cannot emulate, so a guest is tried: the image itself,
//! on a disk that forgets, until its kernel starts user space.

use super::disk::Form;
use super::qemu::{self, Arguments};
use super::qmp::Qmp;
use crate::error::{Doing, Result};
use crate::process::{Process, run};
use crate::{Accelerator, Deadline, Tools, store};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// With KVM a kernel starts user space within a few seconds.
const PATIENCE: Duration = Duration::from_secs(45);

/// What was found, and on what host: another kernel may do better.
#[derive(Debug, Serialize, Deserialize)]
struct Finding {
    kernel: String,
    processor: String,
    kvm: bool,
}

/// The accelerator for this host; looks once and remembers.
pub(crate) fn accelerator(
    image: &Path,
    memory: &Path,
    tools: &Tools,
    report: &dyn Fn(&str),
) -> Result<Accelerator> {
    if File::options().read(true).write(true).open("/dev/kvm").is_err() {
        return Ok(Accelerator::Tcg);
    }
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor =
        cpuinfo.lines().find(|line| line.starts_with("model name")).unwrap_or_default().to_owned();
    let known = store::load::<Finding>(memory).ok().flatten();
    let kvm = match known.filter(|f| f.kernel == kernel && f.processor == processor) {
        Some(finding) => finding.kvm,
        None => {
            report("trying whether KVM runs a kernel here");
            let verdict = probe(image, tools)?;
            if let Some(kvm) = verdict {
                store::save(memory, &Finding { kernel, processor, kvm })?;
            }
            verdict.unwrap_or(false)
        }
    };
    Ok(if kvm { Accelerator::Kvm } else { Accelerator::Tcg })
}

/// `None`: not settled, so nothing to remember.
fn probe(image: &Path, tools: &Tools) -> Result<Option<bool>> {
    let dir =
        tempfile::Builder::new().prefix("ashlar-kvm-").tempdir().doing("making", "a probe")?;
    let [control, console, log, pidfile, strings] =
        ["qmp", "console", "log", "pid", "strings"].map(|name| dir.path().join(name));
    let line = qemu::kernel_command_line(Accelerator::Kvm, " loglevel=7");
    std::fs::write(&strings, line).doing("writing", &strings)?;
    let mut arguments = Arguments::machine(Accelerator::Kvm, 1, 1024);
    arguments
        .disk(image, &format!(",snapshot=on,format={}", Form::of(image)?.as_str()))
        .console(&console, &log)
        .control(&control)
        .firmware_strings([strings.as_path()])
        .in_background("ashlar-kvm-probe", &uuid::Uuid::new_v4().to_string(), &pidfile);
    let image_dir = image.parent().unwrap_or(Path::new("/"));
    let mut command = tools.command("qemu-system-x86_64", &[dir.path()], &[image_dir]);
    if run(command.args(arguments.into_inner()), tools.package()).is_err() {
        return Ok(Some(false));
    }
    let process = std::fs::read_to_string(&pidfile)
        .ok()
        .and_then(|pid| Process::of(pid.trim().parse().ok()?));
    let mut qmp = Qmp::connect(&control, "the KVM probe")?;
    let verdict = Deadline::within(PATIENCE).poll(Duration::from_millis(100), || {
        let text = std::fs::read(&log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        if text.contains("Run /init") || text.contains("systemd[1]") {
            return Ok(Some(true));
        }
        match qmp.execute("query-status", json!({})) {
            Ok(status) if status["status"] != "internal-error" => Ok(None),
            // Stopped by KVM, or gone altogether.
            Ok(_) | Err(_) => Ok::<_, crate::Error>(Some(false)),
        }
    });
    if let Some(process) = process {
        process.kill("the KVM probe")?;
    }
    verdict
}
