//! One machine that is put together by hand: firmware, disks and ports of a test's
//! own, a screen to look at and a keyboard to type on.

use crate::command::{Ashlar, workspace};
use crate::project::tools_root;
use anyhow::{Context, Result, ensure};
use ashlar_machine::{Deadline, EMULATED, Tools};
use ashlar_site::Site;
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

/// A picture of nothing is shorter: between two pages, a screen is blank.
const BLANK: usize = 3500;

/// As large as the smallest disk of a box.
const DISK: u64 = 16 << 30;

/// A box's disk, `disk.img` in `directory`: an image with a site in it.
///
/// # Errors
/// When it cannot be written.
pub fn stamped(image: &Path, site: &Site, directory: &Path) -> Result<PathBuf> {
    let (text, disk) = (directory.join("site.toml"), directory.join("disk.img"));
    site.save(&text)?;
    let stamp = Ashlar::new(["stamp"])?.arg(image).arg("--site").arg(&text);
    stamp.arg("--output").arg(&disk).succeeds()?;
    File::options().write(true).open(&disk)?.set_len(DISK)?;
    Ok(disk)
}

/// A unit of the running system that says on its serial console what this script says.
#[must_use]
pub fn telling(script: &str) -> String {
    format!(
        "[Unit]\nConditionPathExists=!/etc/initrd-release\n\
         [Service]\nType=oneshot\nTimeoutStartSec=infinity\n\
         StandardOutput=tty\nTTYPath=/dev/ttyS0\n\
         ExecStart=/bin/sh -c '{script}'\n"
    )
}

/// The drive of that name, which is this file.
#[must_use]
pub fn drive(name: &str, file: &Path) -> String {
    format!("if=none,id={name},format=raw,discard=unmap,file={}", file.display())
}

/// A way of a port into the drill's one segment. Two drills at a time are two shops:
/// every first port has the same MAC address.
#[must_use]
pub fn segment(id: &str) -> String {
    let port = 20_000 + std::process::id() % 40_000;
    format!("socket,id={id},mcast=230.0.0.1:{port},localaddr=127.0.0.1")
}

/// What is put together.
#[derive(Debug, Default)]
pub struct Setup<'a> {
    /// `-drive` options besides the firmware's.
    pub drives: Vec<String>,
    /// `-netdev` options besides `segment`.
    pub networks: Vec<String>,
    /// `-device` options besides what every machine has.
    pub devices: Vec<String>,
    /// What else its drives need, to read.
    pub shown: Vec<&'a Path>,
    /// More units for its systemd: name, text, and what wants it.
    pub units: Vec<(&'a str, &'a str, &'a str)>,
    /// More words for its kernel.
    pub command_line: &'a str,
    /// What its clock shows when it is switched on, if that is not the time.
    pub clock: Option<&'a str>,
    /// One processor whose clock counts instructions: a nanosecond each, and none
    /// while it waits.
    pub counted: bool,
    /// In a network of its own, in which QEMU's router leads nowhere: one that is asked for
    /// to reach nobody names no router to who asks for a lease.
    pub apart: bool,
}

/// It, while it runs.
#[derive(Debug)]
pub struct Machine {
    directory: PathBuf,
    child: Child,
    log: PathBuf,
}

impl Machine {
    /// Presses the power button. Firmware variables are `vars.fd` in `directory`,
    /// copied there if they are not; the serial console's log is `<name>.log`.
    ///
    /// # Errors
    /// When QEMU cannot be started.
    pub fn start(directory: &Path, name: &str, setup: &Setup<'_>) -> Result<Self> {
        let place = |file: &str| directory.join(file).display().to_string();
        let root = tools_root()?;
        if !directory.join("vars.fd").exists() {
            let firmware = root.join("usr/share/OVMF/OVMF_VARS_4M.fd");
            std::fs::copy(firmware, directory.join("vars.fd"))?;
        }
        let log = directory.join(format!("{name}.log"));
        // What an earlier start said is no answer to what this one is asked.
        for before in [&directory.join("qmp.sock"), &log] {
            let _ = std::fs::remove_file(before);
        }
        let mut command =
            Tools::Root(root).command("qemu-system-x86_64", &[directory], &setup.shown);
        command.args("-machine q35,smm=off,vmport=off -m 2048M -nodefaults -display none -vga std -no-reboot -device qemu-xhci -object rng-random,id=entropy,filename=/dev/urandom -device virtio-rng-pci,rng=entropy -nic none".split(' '));
        command.args(["-cpu", EMULATED]);
        let processors = if setup.counted {
            "-accel tcg,thread=single,tb-size=512 -smp 1 -icount shift=0,sleep=off"
        } else {
            "-accel tcg,thread=multi,tb-size=512 -smp 2"
        };
        command.args(processors.split(' '));
        let firmware = [
            "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"
                .to_owned(),
            format!("if=pflash,format=raw,unit=1,file={}", place("vars.fd")),
        ];
        for option in firmware.iter().chain(&setup.drives) {
            command.arg("-drive").arg(option);
        }
        if let Some(clock) = setup.clock {
            command.arg("-rtc").arg(format!("base={clock}"));
        }
        command.arg("-netdev").arg(segment("segment"));
        for network in &setup.networks {
            command.arg("-netdev").arg(network);
        }
        for device in &setup.devices {
            command.arg("-device").arg(device);
        }
        command.arg("-chardev").arg(format!("file,id=console,path={}", log.display()));
        command.args(["-serial", "chardev:console"]);
        command.arg("-qmp").arg(format!("unix:{},server=on,wait=off", place("qmp.sock")));
        for (number, text) in setup.strings().iter().enumerate() {
            let file = directory.join(format!("string-{number}"));
            std::fs::write(&file, text)?;
            command.arg("-smbios").arg(format!("type=11,path={}", file.display()));
        }
        if setup.apart {
            command = apart(&command);
        }
        let child = command.spawn().context("QEMU")?;
        Ok(Self { directory: directory.to_owned(), child, log })
    }

    /// What its serial console said so far.
    #[must_use]
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits for words on the serial console, or with none until it switches itself
    /// off or on.
    ///
    /// # Errors
    /// When they do not come in time, or it goes off before.
    pub fn until(&mut self, words: Option<&str>) -> Result<()> {
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

    /// What the screen shows, for a person to look at: `out/<folder>/<name>`.
    ///
    /// # Errors
    /// When there is none.
    pub fn picture(&self, folder: &str, name: &str) -> Result<()> {
        let bytes = self.screen(|_| true)?;
        Self::keep(folder, name, &bytes)
    }

    /// The same after keys, once the screen has answered them and is drawn to its end.
    ///
    /// # Errors
    /// When the screen stays as it is.
    pub fn picture_after(&self, keys: &[&str], folder: &str, name: &str) -> Result<()> {
        let before = self.screen(|_| true)?;
        self.press(keys)?;
        let mut last = Vec::new();
        let bytes = self.screen(|now| {
            let drawn = now == last.as_slice() && now != before.as_slice();
            last = now.to_vec();
            drawn
        })?;
        Self::keep(folder, name, &bytes)
    }

    fn keep(folder: &str, name: &str, picture: &[u8]) -> Result<()> {
        let to = workspace().join("out").join(folder);
        std::fs::create_dir_all(&to)?;
        std::fs::write(to.join(name), picture)?;
        Ok(())
    }

    /// A picture that is whole, no blank one, and as wanted.
    fn screen(&self, mut wanted: impl FnMut(&[u8]) -> bool) -> Result<Vec<u8>> {
        let file = self.directory.join("screen.png");
        // A PNG has its own end.
        let whole = |bytes: &[u8]| bytes.len() > 12 && bytes[bytes.len() - 8..][..4] == *b"IEND";
        let deadline = Deadline::within(Duration::from_secs(60));
        let bytes = deadline.poll(Duration::from_millis(500), || -> Result<Option<Vec<u8>>> {
            self.qmp("screendump", json!({ "filename": file, "format": "png" }))?;
            let bytes = std::fs::read(&file).ok();
            Ok(bytes.filter(|bytes| whole(bytes) && bytes.len() > BLANK && wanted(bytes)))
        })?;
        bytes.context("no picture of that")
    }

    /// What a person types: names of keys as QEMU has them.
    ///
    /// # Errors
    /// When QEMU does not take them.
    pub fn press(&self, keys: &[&str]) -> Result<()> {
        for key in keys {
            let key = json!({ "type": "qcode", "data": key });
            self.qmp("send-key", json!({ "keys": [key] }))?;
        }
        Ok(())
    }

    /// Types a line.
    ///
    /// # Errors
    /// When QEMU does not take it.
    pub fn types(&self, line: &str) -> Result<()> {
        for letter in line.chars() {
            match letter {
                '.' => self.press(&["dot"])?,
                '/' => self.press(&["slash"])?,
                letter => self.press(&[&letter.to_string()])?,
            }
        }
        self.press(&["ret"])
    }

    /// Pulls the cable of a port, by the name of its device.
    ///
    /// # Errors
    /// When it has no such port.
    pub fn unplug(&self, port: &str) -> Result<()> {
        let socket = self.directory.join("qmp.sock");
        let deadline = Deadline::within(Duration::from_secs(30));
        let listens = || -> Result<Option<()>> { Ok(socket.exists().then_some(())) };
        deadline.poll(Duration::from_millis(50), listens)?.context("QEMU does not listen")?;
        self.qmp("set_link", json!({ "name": port, "up": false }))
    }

    /// Plugs a device in, as QEMU describes it.
    ///
    /// # Errors
    /// When it has no place for it.
    pub fn plug(&self, device: Value) -> Result<()> {
        self.qmp("device_add", device)
    }

    /// Pulls a device out of its slot.
    ///
    /// # Errors
    /// When it has no such device.
    pub fn pull(&self, device: &str) -> Result<()> {
        self.qmp("device_del", json!({ "id": device }))
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

/// The same command in a network namespace that has a loopback and nothing else.
fn apart(command: &Command) -> Command {
    let mut apart = Command::new("unshare");
    apart.args(["--net", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""]);
    apart.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            apart.env(name, value);
        }
    }
    apart
}

impl Setup<'_> {
    /// What the firmware's tables say to the loader and to systemd. On a starved host a
    /// kernel that tests its timer finds none and panics.
    fn strings(&self) -> Vec<String> {
        let credential = |name: String, text: &str| {
            format!("io.systemd.credential.binary:{name}={}", BASE64_STANDARD.encode(text))
        };
        let mut all = vec![format!(
            "io.systemd.stub.kernel-cmdline-extra=console=tty0 console=ttyS0,115200 \
             no_timer_check systemd.default_timeout_start_sec=600 \
             systemd.default_device_timeout_sec=600 {}",
            self.command_line
        )];
        for (name, text, wanted_by) in &self.units {
            all.push(credential(format!("systemd.extra-unit.{name}"), text));
            let part = name.split('.').next().unwrap_or(name);
            all.push(credential(
                format!("systemd.unit-dropin.{wanted_by}~{part}"),
                &format!("[Unit]\nWants={name}\n"),
            ));
        }
        all
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The child is what QEMU runs inside of, which a signal ends without it.
        let _ = self.qmp("quit", json!({}));
        let ended = Deadline::within(Duration::from_secs(10))
            .poll(Duration::from_millis(50), || -> Result<Option<()>> {
                Ok(self.child.try_wait()?.map(|_| ()))
            });
        if !matches!(ended, Ok(Some(()))) {
            eprintln!("QEMU did not end when it was asked to");
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
