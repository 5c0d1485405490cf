//! From a stick to an installed box, unattended: `just drill install`. A stick that
//! was flashed as an installer is in a USB port; the box's NVMe disk holds a disk of
//! another site. The box installs itself, restarts with the stick still in, and
//! becomes ready alone. Pictures of menu and installer are left in `out/drill-install`.

use anyhow::{Context, Result, ensure};
use ashlar_machine::{Deadline, Tools};
use ashlar_site::{InstallRules, Site};
use ashlar_tests::command::{Ashlar, workspace};
use ashlar_tests::image::Built;
use ashlar_tests::project::{scratch, tools_root};
use ashlar_tests::{site, skipped};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

/// For a machine to start without KVM, and to copy itself.
const PATIENCE: Duration = Duration::from_secs(1500);
const STICK: u64 = 8 << 30;
const DISK: u64 = 16 << 30;

/// What the box says at the end, on its serial console.
const UNIT: &str = "[Unit]\nConditionPathExists=!/etc/initrd-release\n\
    [Service]\nType=oneshot\nTimeoutStartSec=infinity\n\
    StandardOutput=journal+console\n\
    ExecStart=/bin/sh -c 'ashlarctl wait --timeout 1400 && echo DRILL: ready; \
    echo \"DRILL: state on $$(findmnt -no SOURCE /var)\"; \
    echo \"DRILL: site $$(ashlarctl status --json | grep -o installing | head -n1)\"; \
    echo DRILL: over'\n";

/// One machine with a stick and a disk in it.
struct Machine {
    directory: PathBuf,
    child: Child,
    log: PathBuf,
}

impl Machine {
    /// Presses the power button. `stick_first` is what a person chooses in the
    /// firmware's menu.
    fn start(directory: &Path, name: &str, stick_first: bool) -> Result<Self> {
        let place = |file: &str| directory.join(file).display().to_string();
        let credential = |name: &str, text: &str| {
            format!("io.systemd.credential.binary:{name}={}", BASE64_STANDARD.encode(text))
        };
        let strings = [
            "io.systemd.stub.kernel-cmdline-extra=console=tty0 console=ttyS0,115200 \
             systemd.default_timeout_start_sec=600 systemd.default_device_timeout_sec=600"
                .to_owned(),
            credential("systemd.extra-unit.drill.service", UNIT),
            credential(
                "systemd.unit-dropin.multi-user.target~drill",
                "[Unit]\nWants=drill.service\n",
            ),
        ];
        let _ = std::fs::remove_file(directory.join("qmp.sock"));
        let log = directory.join(format!("{name}.log"));
        let first = if stick_first { ",bootindex=0" } else { "" };
        let mut command =
            Tools::Root(tools_root()?).command("qemu-system-x86_64", &[directory], &[]);
        command.args("-machine q35,smm=off,vmport=off -accel tcg,thread=multi,tb-size=512 -cpu max -smp 2 -m 2048M -nodefaults -display none -vga std -no-reboot -device qemu-xhci -object rng-random,id=entropy,filename=/dev/urandom -device virtio-rng-pci,rng=entropy -nic none".split(' '));
        for option in [
            "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"
                .to_owned(),
            format!("if=pflash,format=raw,unit=1,file={}", place("vars.fd")),
            format!("if=none,id=stick,format=raw,file={}", place("stick.img")),
            format!("if=none,id=disk,format=raw,discard=unmap,file={}", place("disk.img")),
        ] {
            command.arg("-drive").arg(option);
        }
        for device in [
            format!("usb-storage,drive=stick,removable=on{first}"),
            "nvme,drive=disk,serial=drill".to_owned(),
            "virtio-net-pci,netdev=segment,romfile=".to_owned(),
        ] {
            command.arg("-device").arg(device);
        }
        command.args(["-netdev", "socket,id=segment,mcast=230.0.0.1:39872,localaddr=127.0.0.1"]);
        command.arg("-chardev").arg(format!("file,id=console,path={}", log.display()));
        command.args(["-serial", "chardev:console"]);
        command.arg("-qmp").arg(format!("unix:{},server=on,wait=off", place("qmp.sock")));
        for (number, text) in strings.iter().enumerate() {
            let file = directory.join(format!("string-{number}"));
            std::fs::write(&file, text)?;
            command.arg("-smbios").arg(format!("type=11,path={}", file.display()));
        }
        let child = command.spawn().context("QEMU")?;
        Ok(Self { directory: directory.to_owned(), child, log })
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits for words on the serial console, or with none until it switches itself
    /// off or on.
    fn until(&mut self, words: Option<&str>) -> Result<()> {
        let deadline = Deadline::within(PATIENCE);
        let child = &mut self.child;
        let log = self.log.clone();
        let found = deadline.poll(Duration::from_millis(500), || -> Result<Option<()>> {
            let said = std::fs::read(&log).unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            if words.is_some_and(|words| said.contains(words)) {
                return Ok(Some(()));
            }
            let ended = child.try_wait()?.is_some();
            ensure!(!ended || words.is_none(), "it went off before it said {words:?}:\n{said}");
            Ok(ended.then_some(()))
        })?;
        found.with_context(|| format!("no {words:?} in time:\n{}", self.said()))
    }

    /// What the screen shows, for a person to look at.
    fn picture(&self, name: &str) -> Result<()> {
        let to = workspace().join("out/drill-install");
        std::fs::create_dir_all(&to)?;
        let file = self.directory.join(name);
        self.qmp("screendump", json!({ "filename": file, "format": "png" }))?;
        // A PNG has its own end.
        let whole = |bytes: &[u8]| bytes.len() > 12 && bytes[bytes.len() - 8..][..4] == *b"IEND";
        let deadline = Deadline::within(Duration::from_secs(30));
        let bytes = deadline.poll(Duration::from_millis(100), || -> Result<Option<Vec<u8>>> {
            Ok(std::fs::read(&file).ok().filter(|bytes| whole(bytes)))
        })?;
        std::fs::write(to.join(name), bytes.context("no picture")?)?;
        Ok(())
    }

    fn qmp(&self, command: &str, arguments: Value) -> Result<()> {
        let stream = UnixStream::connect(self.directory.join("qmp.sock"))?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let mut stream = stream;
        lines.next().context("a greeting")??;
        for line in [
            json!({ "execute": "qmp_capabilities" }),
            json!({ "execute": command, "arguments": arguments }),
        ] {
            writeln!(stream, "{line}")?;
            let answer = lines.find(|line| {
                line.as_ref().map_or(true, |line| line.contains("return") || line.contains("error"))
            });
            let answer = answer.context("no answer")??;
            ensure!(answer.contains("\"return\""), "{command}: {answer}");
        }
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loop device for as long as it is flashed.
fn flash(image: &Path, site: &Path, onto: &Path, more: &[&str]) -> Result<()> {
    let made = Command::new("losetup").args(["--find", "--show"]).arg(onto).output()?;
    let device = String::from_utf8(made.stdout)?.trim().to_owned();
    ensure!(!device.is_empty(), "no loop device: {}", String::from_utf8_lossy(&made.stderr));
    let mut flash = Ashlar::new(["flash", &device, "--yes"])?.arg("--image").arg(image);
    flash = flash.arg("--site").arg(site);
    for word in more {
        flash = flash.arg(word);
    }
    let flashed = flash.succeeds();
    Command::new("losetup").args(["--detach", &device]).status()?;
    flashed.map(drop)
}

#[test]
fn a_box_installs_itself_over_another_site_s_disk_and_starts_without_the_stick_s_help() -> Result<()>
{
    if !nix::unistd::geteuid().is_root() {
        return skipped("a_box_installs_itself", "loop devices need root");
    }
    let words = ["build", "--profile", "retail-metal", "--json"];
    let built = Built::from_json(Ashlar::new(words)?.succeeds()?.json()?)?;
    let room = scratch("drill-install")?;
    for (name, bytes) in [("stick.img", STICK), ("disk.img", DISK)] {
        File::create(room.path().join(name))?.set_len(bytes)?;
    }
    let firmware = tools_root()?.join("usr/share/OVMF/OVMF_VARS_4M.fd");
    std::fs::copy(firmware, room.path().join("vars.fd"))?;

    let other = room.path().join("other.toml");
    site::fresh("elsewhere")?.save(&other)?;
    flash(&built.disk()?, &other, &room.path().join("disk.img"), &[])?;
    let rules = InstallRules { unattended: true, allow_foreign: true, ..Default::default() };
    let ours = Site { expect: Some(1), install: Some(rules), ..site::fresh("installing")? };
    let ours_file = room.path().join("ours.toml");
    ours.save(&ours_file)?;
    flash(&built.disk()?, &ours_file, &room.path().join("stick.img"), &["--installer"])?;

    let mut machine = Machine::start(room.path(), "installer", true)?;
    machine.until(Some("Writing"))?;
    machine.picture("installer.png")?;
    machine.until(Some("This box is installed."))?;
    machine.until(None)?;
    let said = machine.said();
    ensure!(said.contains("starts from its own disk from now on"), "{said}");
    drop(machine);

    let mut machine = Machine::start(room.path(), "installed", false)?;
    machine.until(Some("DRILL: over"))?;
    machine.picture("installed.png")?;
    let said = machine.said();
    for words in ["DRILL: ready", "DRILL: state on /dev/nvme0n1p", "DRILL: site installing"] {
        ensure!(said.contains(words), "no {words}:\n{said}");
    }
    Ok(())
}
