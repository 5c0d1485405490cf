//! A factory reset, from the menu and as a release noted it, through power cuts.

use super::{MARK, Machine, said};
use std::fs;

/// What the firmware keeps of a reset of the disk that was booted from.
const NOTE: &str = "1 factory 50000000-0000-0000-0000-00000000000a\n";

/// A machine with state and data, whose tools count their calls and stop at one of
/// them as if power had failed: before they do anything, or after.
fn resetting(mark: bool) -> Machine {
    let machine = Machine::new();
    for part in ["state", "data"] {
        machine.write(&format!("dev/ashlar/{part}"), "old");
    }
    if mark {
        machine.write(MARK, &format!("\x07\0\0\0{NOTE}"));
    }
    machine.write("run/ashlar/boot-disk/sda", "");
    // The power fails at the call whose number is in `fails-at`.
    let count = "n=$(($(cat $top/calls 2>/dev/null || echo 0) + 1)); echo $n >$top/calls\n\
                 cut() { [ \"$n$1\" != \"$(cat $top/fails-at 2>/dev/null)\" ] || { \
                 kill -KILL $PPID; exit 1; }; }\ncut before\n";
    let tool = |name: &str, script: &str| {
        machine.tool(name, &format!("{count}{script}\ncut after"));
    };
    tool("blkdiscard", "");
    // As dd would, but for the size.
    tool(
        "dd",
        "for word in \"$@\"; do case $word in of=*) of=${word#of=} ;; if=*) zero=1 ;; esac; done\n\
         if [ -n \"${zero:-}\" ]; then : >$of; else cat >$of; fi",
    );
    // The medium is pulled before its time is up, unless it is a disc.
    machine.tool(
        "udevadm",
        &format!(
            "case $1 in\n\
             info) echo {} ;;\n\
             wait) echo \"$*\" >>$top/done; [ ! -e $top/stays ] ;;\n\
             esac",
            NOTE.trim().rsplit(' ').next().unwrap()
        ),
    );
    machine.tool("systemctl", "echo \"$*\" >>$top/done");
    // Formats what is empty, and nothing else.
    tool("systemd-makefs", "[ -s $2 ] || echo $1 >$2");
    tool("chattr", "");
    tool("rm", "/bin/rm $1");
    tool("sync", "");
    machine
}

fn is_reset(machine: &Machine) -> bool {
    let read = |part| fs::read_to_string(machine.at(part)).unwrap();
    read("dev/ashlar/state") == "ext4\n" && read("dev/ashlar/data") == "xfs\n"
}

#[test]
fn a_reset_that_loses_power_at_any_call_is_finished_by_the_next_boot() {
    let calls = {
        let whole = resetting(true);
        assert!(whole.run("reset-disk").status.success());
        assert!(is_reset(&whole) && !whole.at(MARK).exists());
        fs::read_to_string(whole.at("calls")).unwrap().trim().parse::<u32>().unwrap()
    };
    assert!(calls > 8, "{calls}");
    for call in 1..=calls {
        for moment in ["before", "after"] {
            let machine = resetting(true);
            machine.write("fails-at", &format!("{call}{moment}\n"));
            let output = machine.run("reset-disk");
            assert!(!output.status.success(), "call {call} did not fail");
            if !machine.at(MARK).exists() {
                assert!(is_reset(&machine), "{moment} call {call}: forgotten and not done");
                continue;
            }
            let again = machine.run("reset-disk");
            assert!(again.status.success(), "{moment} call {call}: {}", said(&again));
            assert!(is_reset(&machine) && !machine.at(MARK).exists(), "{moment} call {call}");
        }
    }
}

#[test]
fn a_reset_from_the_menu_says_so_first_and_notes_it_before_anything_is_gone() {
    let machine = resetting(false);
    machine.tool("sleep", "cat $top/dev/ashlar/state >>$top/during; [ $1 = 10 ]");
    // Power fails at the first discard.
    machine.write("fails-at", "2before\n");
    assert!(!machine.asked("reset-disk", "menu").status.success());
    assert_eq!(fs::read_to_string(machine.at("during")).unwrap(), "oldoldold");
    let screen = fs::read_to_string(machine.at("dev/tty1")).unwrap();
    assert!(screen.starts_with("\x1b[2J"), "the kernel's lines stand above it: {screen}");
    for words in ["begins in 30 seconds", "\n20 seconds", "\n10 seconds"] {
        assert!(screen.contains(words), "{screen}");
    }
    let mark = fs::read(machine.at(MARK)).unwrap();
    assert_eq!(mark, format!("\x07\0\0\0{NOTE}").as_bytes());
    // It goes on without asking again, whatever is chosen then.
    fs::remove_file(machine.at("during")).unwrap();
    assert!(machine.run("reset-disk").status.success());
    assert!(is_reset(&machine) && !machine.at("during").exists());
}

/// Nobody ran from it, or it cannot be written and has its state in memory.
fn with_nothing_of_its_own(disc: bool) -> Machine {
    let machine = resetting(false);
    if disc {
        machine.write("run/ashlar/in-memory", "");
    } else {
        fs::remove_dir_all(machine.at("dev/ashlar")).unwrap();
    }
    machine
}

#[test]
fn a_medium_that_no_box_ran_from_says_that_it_has_nothing_to_reset_and_starts_nothing() {
    for (disc, stays, then) in
        [(false, false, "reboot --force"), (false, true, "poweroff --force"), (true, true, "power")]
    {
        let machine = with_nothing_of_its_own(disc);
        if stays {
            machine.write("stays", "");
        }
        let output = machine.asked("reset-disk", "menu");
        assert!(output.status.success(), "{}", said(&output));
        let screen = fs::read_to_string(machine.at("dev/tty1")).unwrap();
        for words in ["holds nothing of its own to reset", "start it from its own disk"] {
            assert!(screen.contains(words), "{screen}");
        }
        assert!(!screen.contains("done") && !screen.contains("will be gone"), "{screen}");
        let done = fs::read_to_string(machine.at("done")).unwrap();
        let (waited, left) = done.split_once('\n').unwrap();
        assert_eq!(waited, "wait --removed --timeout=600 /dev/sda");
        assert!(left.starts_with(then), "{done}");
        assert!(!machine.at(MARK).exists() && !machine.at("calls").exists(), "it did something");
    }
}

#[test]
fn a_reset_of_the_box_s_disk_is_neither_done_nor_ended_by_a_stick_that_was_left_in() {
    let unused = with_nothing_of_its_own(false);
    let disc = with_nothing_of_its_own(true);
    let used = resetting(false);
    let elsewhere = NOTE.replace("5000", "6000");
    for (machine, note) in [(&unused, NOTE), (&disc, NOTE), (&used, elsewhere.as_str())] {
        machine.write(MARK, &format!("\x07\0\0\0{note}"));
        let output = machine.run("reset-disk");
        assert!(output.status.success(), "{}", said(&output));
        assert!(said(&output).contains("another disk"), "{}", said(&output));
        assert!(machine.at(MARK).exists() && !machine.at("calls").exists(), "it did something");
        assert_eq!(fs::read_to_string(machine.at("dev/tty1")).unwrap(), "");
    }
    assert_eq!(fs::read_to_string(used.at("dev/ashlar/state")).unwrap(), "old");
}

#[test]
fn a_reset_that_an_older_release_noted_is_carried_out() {
    let machine = resetting(false);
    machine.write(MARK, "\x07\0\0\x001 factory\n");
    assert!(machine.run("reset-disk").status.success());
    assert!(is_reset(&machine) && !machine.at(MARK).exists());
}
