//! The channel against the guest's own script, on FIFOs of this host.

use super::{exec, make};
use crate::{Error, Exec};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The guest's script in a process of this host, on the same FIFOs.
struct Guest {
    dir: tempfile::TempDir,
    shell: Child,
}

impl Guest {
    fn boot() -> Self {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path()).unwrap();
        let shell = Self::shell(dir.path());
        let guest = Self { dir, shell };
        // Only QEMU's end makes the node "on"; here it is the shell's.
        super::Deadline::within(Duration::from_secs(20))
            .poll(Duration::from_millis(20), || {
                Ok::<_, ()>(super::Channel::open(guest.path(), "node1").ok().map(drop))
            })
            .unwrap()
            .expect("the guest opens its FIFOs");
        guest
    }

    fn shell(dir: &Path) -> Child {
        let dir = dir.display();
        let script = super::GUEST
            .replace("/run/ashlar-vm-exec", &format!("{dir}/work"))
            .replace(super::PORT, &format!("exec 3<>{dir}/exec.in 4<>{dir}/exec.out"));
        Command::new("bash").arg("-c").arg(script).stdin(Stdio::null()).spawn().unwrap()
    }

    fn suspend(&self) {
        self.signal(nix::sys::signal::Signal::SIGSTOP);
    }

    fn resume(&self) {
        self.signal(nix::sys::signal::Signal::SIGCONT);
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.shell.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn run(&self, script: Exec) -> Result<super::Finished, Error> {
        exec(self.path(), "node1", &script.within(Duration::from_secs(30)))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

#[test]
fn output_errors_and_exit_code_come_back_apart_and_byte_for_byte() {
    let guest = Guest::boot();
    let every_byte: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let done = guest
        .run(
            Exec::script("cat; printf '\\n@done x 1 2 3\\n' >&2; exit 7").stdin(every_byte.clone()),
        )
        .unwrap();
    assert_eq!(done.code, 7);
    assert!(done.stdout == every_byte);
    assert_eq!(done.error_text(), "\n@done x 1 2 3\n");
}

#[test]
fn a_killed_command_reports_its_signal_as_a_shell_does() {
    let guest = Guest::boot();
    assert_eq!(guest.run(Exec::script("kill -TERM $$")).unwrap().code, 143);
}

#[test]
fn a_command_past_its_deadline_is_ended_and_the_next_one_runs() {
    let guest = Guest::boot();
    let slow = Exec::script("echo begun; sleep 1000").within(Duration::from_secs(2));
    let error = exec(guest.path(), "node1", &slow).unwrap_err();
    assert!(matches!(&error, Error::Deadline { last, .. } if last == "begun\n"), "{error}");
    assert_eq!(guest.run(Exec::script("echo next")).unwrap().text(), "next\n");
}

#[test]
fn what_an_interrupted_predecessor_left_does_not_reach_the_next_command() {
    let guest = Guest::boot();
    {
        let mut channel = super::Channel::open(guest.path(), "node1").unwrap();
        let soon = super::Deadline::within(Duration::from_secs(20));
        channel.greet(soon).unwrap();
        channel.send(b"run dead 10 0\necho stale", soon).unwrap();
    }
    assert_eq!(guest.run(Exec::argv(["echo", "fresh one"])).unwrap().text(), "fresh one\n");
}

#[test]
fn a_greeting_that_the_firmware_swallowed_is_said_again() {
    let guest = Guest::boot();
    // The firmware's driver: it reads what is there and says nothing.
    guest.suspend();
    let mut channel = super::Channel::open(guest.path(), "node1").unwrap();
    let mut firmware = std::fs::File::open(guest.path().join("exec.in")).unwrap();
    let soon = super::Deadline::within(Duration::from_secs(20));
    std::thread::scope(|scope| {
        let greeting = scope.spawn(|| channel.greet(soon));
        let mut swallowed = [0; 5];
        std::io::Read::read_exact(&mut firmware, &mut swallowed).unwrap();
        guest.resume();
        greeting.join().unwrap().unwrap();
    });
}

#[test]
fn commands_from_many_threads_take_turns() {
    let guest = Guest::boot();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let guest = &guest;
            scope.spawn(move || {
                let done = guest.run(Exec::script(format!("echo {number}"))).unwrap();
                assert_eq!(done.text(), format!("{number}\n"));
            });
        }
    });
}

#[test]
fn a_node_without_power_is_said_to_be_off() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path()).unwrap();
    let error = exec(dir.path(), "node1", &Exec::script("true")).unwrap_err();
    assert!(matches!(error, Error::Off { .. }), "{error}");
}

#[test]
fn a_script_is_counted_in_bytes_and_kept_to_its_last_newline() {
    let guest = Guest::boot();
    let words = "  café – Zürich – 店  ";
    for script in [format!("printf '%s' '{words}'"), format!("printf '%s' '{words}'\n\n\n")] {
        assert_eq!(guest.run(Exec::script(script)).unwrap().text(), words);
    }
    let long = format!("cat <<'end'\n{}\nend\n", "letters and numbers ".repeat(5000));
    assert_eq!(guest.run(Exec::script(long)).unwrap().stdout.len(), 100_001);
    let done =
        guest.run(Exec::script("locale 2>/dev/null | grep -c LC_ALL=.; echo $LANG")).unwrap();
    assert_eq!(done.text(), "0\nC.UTF-8\n", "the command has a locale of its own");
}
