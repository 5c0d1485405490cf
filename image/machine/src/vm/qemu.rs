//! QEMU's command line for one node.

use crate::Accelerator;
use std::ffi::OsString;
use std::path::Path;

/// Firmware code, without Secure Boot.
pub(super) const FIRMWARE_CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
/// Firmware variables as the package ships them.
pub(super) const FIRMWARE_VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// What an emulated processor has: all that the emulator knows, but for what it pays for
/// dearly and a real one gives away. "Fast strings" it executes byte by byte, and the
/// kernel clears every page with them; a fifth level of page tables makes each miss of
/// its address cache longer; and with SMAP the same page is in that cache twice.
pub const EMULATED: &str = "max,-erms,-fsrm,-la57,-smap,-smep";

/// Said on the kernel's command line by the firmware, through the UKI's stub:
/// consoles for a person and for the log; patience for a slow processor, on which a
/// kernel that tests its timer may find none and panics (with KVM it does not test it);
/// and, since an emulated processor does not speculate, none of what keeps one from
/// doing so.
const CONSOLES: &str = "console=tty0 console=ttyS0,115200";
const PATIENCE: &str = " no_timer_check mitigations=off systemd.default_timeout_start_sec=600 systemd.default_device_timeout_sec=600";

/// An argument list that grows.
#[derive(Default)]
pub(super) struct Arguments(Vec<OsString>);

impl Arguments {
    fn add(&mut self, option: &str, value: impl Into<OsString>) -> &mut Self {
        self.0.push(option.into());
        self.0.push(value.into());
        self
    }

    /// The finished list.
    pub(super) fn into_inner(self) -> Vec<OsString> {
        self.0
    }

    /// The bare machine: processor, memory, firmware code, nothing that QEMU
    /// would add by itself.
    pub(super) fn machine(accelerator: Accelerator, cpus: u16, memory_mib: u32) -> Self {
        let mut all = Self::default();
        all.add("-machine", "q35,smm=off,vmport=off");
        match accelerator {
            Accelerator::Kvm => all.add("-accel", "kvm").add("-cpu", "host"),
            Accelerator::Tcg => {
                all.add("-accel", "tcg,thread=multi,tb-size=512").add("-cpu", EMULATED)
            }
        };
        all.add("-smp", cpus.to_string()).add("-m", format!("{memory_mib}M"));
        all.0.push("-nodefaults".into());
        all.add("-display", "none").add("-vga", "std");
        all.add("-drive", format!("if=pflash,format=raw,unit=0,readonly=on,file={FIRMWARE_CODE}"));
        all.add("-object", "rng-random,id=entropy,filename=/dev/urandom");
        all.add("-device", "virtio-rng-pci,rng=entropy");
        all
    }

    /// Firmware variables that the node keeps.
    pub(super) fn variables(&mut self, file: &Path) -> &mut Self {
        self.add("-drive", joined("if=pflash,format=qcow2,unit=1,file=", file, ""))
    }

    /// The system disk. Freed blocks are given back to the host.
    pub(super) fn disk(&mut self, file: &Path, more: &str) -> &mut Self {
        let more = format!(",if=none,id=system,discard=unmap,detect-zeroes=unmap{more}");
        self.add("-drive", joined("file=", file, &more));
        self.add("-device", "virtio-blk-pci,drive=system,bootindex=1,serial=ashlar-system")
    }

    /// A DVD in a drive, which the firmware looks at first.
    pub(super) fn dvd(&mut self, file: &Path) -> &mut Self {
        let more = ",if=none,id=dvd,format=raw,media=cdrom,readonly=on";
        self.add("-drive", joined("file=", file, more));
        self.add("-device", "ide-cd,bus=ide.0,drive=dvd,bootindex=0")
    }

    /// The cluster's segment: multicast that never leaves loopback.
    pub(super) fn segment(&mut self, port: u16, mac: &str) -> &mut Self {
        self.add(
            "-netdev",
            format!("socket,id=segment,mcast=230.0.0.1:{port},localaddr=127.0.0.1"),
        );
        self.add("-device", format!("virtio-net-pci,id=cable,netdev=segment,mac={mac},romfile="))
    }

    /// A serial console: a socket to look at, a log that has all of it.
    pub(super) fn console(&mut self, socket: &Path, log: &Path) -> &mut Self {
        let mut chardev = joined("socket,id=console,server=on,wait=off,path=", socket, "");
        chardev.push(joined(",logappend=on,logfile=", log, ""));
        self.add("-chardev", chardev).add("-serial", "chardev:console")
    }

    /// The control socket.
    pub(super) fn control(&mut self, socket: &Path) -> &mut Self {
        self.add("-qmp", joined("unix:", socket, ",server=on,wait=off"))
    }

    /// The port for commands; its FIFOs are `<fifo>.in` and `<fifo>.out`.
    pub(super) fn channel(&mut self, fifo: &Path) -> &mut Self {
        self.add("-device", "virtio-serial-pci");
        self.add("-chardev", joined("pipe,id=exec,path=", fifo, ""));
        self.add("-device", "virtserialport,chardev=exec,name=ashlar.exec")
    }

    /// A watchdog that resets the node, as on real hardware.
    pub(super) fn watchdog(&mut self) -> &mut Self {
        self.add("-device", "i6300esb").add("-action", "watchdog=reset")
    }

    /// Strings for the guest's firmware tables, from files: a command line is
    /// no place for long or private text.
    pub(super) fn firmware_strings<'a>(
        &mut self,
        files: impl IntoIterator<Item = &'a Path>,
    ) -> &mut Self {
        for file in files {
            self.add("-smbios", joined("type=11,path=", file, ""));
        }
        self
    }

    /// Leaves us alone with the machine once it is set up.
    pub(super) fn in_background(&mut self, name: &str, uuid: &str, pidfile: &Path) -> &mut Self {
        self.add("-name", name).add("-uuid", uuid).add("-pidfile", pidfile);
        self.0.push("-daemonize".into());
        self
    }
}

/// What the firmware adds to the kernel's command line.
pub(super) fn kernel_command_line(accelerator: Accelerator, more: &str) -> String {
    let patience = if accelerator == Accelerator::Tcg { PATIENCE } else { "" };
    format!("io.systemd.stub.kernel-cmdline-extra={CONSOLES}{patience}{more}")
}

/// A path inside a QEMU option, where a comma is written twice.
fn joined(before: &str, path: &Path, after: &str) -> OsString {
    let mut all = OsString::from(before);
    match path.to_str() {
        Some(text) => all.push(text.replace(',', ",,")),
        None => all.push(path),
    }
    all.push(after);
    all
}

#[cfg(test)]
mod tests {
    use super::{Accelerator, Arguments, EMULATED, kernel_command_line};
    use std::path::Path;

    #[test]
    fn a_comma_in_a_path_does_not_end_the_option() {
        let mut all = Arguments::default();
        all.disk(Path::new("/a,b/disk.qcow2"), "");
        assert!(all.into_inner()[1].to_str().unwrap().starts_with("file=/a,,b/disk.qcow2,if=none"));
    }

    #[test]
    fn without_kvm_the_guest_gets_a_processor_that_tcg_can_give() {
        let all = Arguments::machine(Accelerator::Tcg, 1, 512).into_inner();
        assert!(all.contains(&EMULATED.into()) && !all.contains(&"host".into()));
        let told = |accelerator| kernel_command_line(accelerator, "");
        assert!(told(Accelerator::Tcg).contains(" mitigations=off "));
        assert!(!told(Accelerator::Kvm).contains("mitigations"), "that one does speculate");
    }
}
