//! What may stand in the root, and what may not.

use super::Image;
use crate::lint::Status;

#[test]
fn files_that_anybody_may_write_are_refused_and_sticky_directories_are_not() {
    let image = Image::good()
        .file("/usr/a", "")
        .mode("/usr/a", 0o666)
        .file("/usr/open/x", "")
        .mode("/usr/open", 0o777)
        .file("/tmp/.keep", "")
        .mode("/tmp", 0o1777)
        .link("/usr/link", "a");
    image.fails("world-writable", &["/usr/a", "/usr/open"]);
}

#[test]
fn setuid_files_pass_by_name_only() {
    let image = Image::good()
        .file("/usr/bin/su", "")
        .mode("/usr/bin/su", 0o4755)
        .file("/usr/bin/rootme", "")
        .mode("/usr/bin/rootme", 0o2755);
    image.fails("setuid", &["/usr/bin/rootme"]);
}

#[test]
fn a_link_to_a_unit_that_is_not_there_is_refused_and_a_mask_is_not() {
    let wants = "/etc/systemd/system/multi-user.target.wants";
    let image = Image::good()
        .file("/usr/lib/systemd/system/good.service", "")
        .link(&format!("{wants}/good.service"), "/usr/lib/systemd/system/good.service")
        .link(&format!("{wants}/gone.service"), "/usr/lib/systemd/system/gone.service")
        .link("/etc/systemd/system/masked.service", "/dev/null");
    image.fails("dangling-units", &[&format!("{wants}/gone.service")]);
}

#[test]
fn a_socket_on_the_network_counts_only_when_something_wants_it() {
    let socket = "[Socket]\nListenStream=22\n";
    let image = Image::good().file("/usr/lib/systemd/system/ssh.socket", socket);
    image.passes("network-sockets");
    let image = image.link("/etc/systemd/system/sockets.target.wants/ssh.socket", "x");
    image.fails("network-sockets", &["ssh.socket"]);
}

#[test]
fn what_the_build_leaves_behind_is_refused() {
    let image = Image::good()
        .file("/var/cache/ldconfig/aux-cache", "")
        .file("/var/log/dpkg.log", "")
        .file("/etc/shadow-", "");
    let places = ["/etc/shadow-", "/var/cache/ldconfig/aux-cache", "/var/log/dpkg.log"];
    image.fails("build-leftovers", &places);
    image.fails("var-empty", &places[1..]);
}

#[test]
fn a_package_without_its_licence_is_told() {
    let image = Image::good().without("/usr/share/doc/a/copyright");
    image.fails("licences-kept", &["/usr/share/doc/a/copyright"]);
}

#[test]
fn a_program_that_names_its_builders_home_is_refused() {
    let image = Image::good().file("/usr/bin/ashlar-agent", "\0/home/ann/.cargo/x.rs\0");
    image.fails("build-paths", &["/usr/bin/ashlar-agent"]);
    Image::good().file("/usr/bin/ashlar-agent", "/build/agent/x.rs").passes("build-paths");
}

#[test]
fn a_program_that_the_roots_libc_cannot_start_is_refused() {
    // This test is a program that was linked against a libc that is not there.
    let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let image = Image::good().file("/usr/bin/ashlar-agent", own);
    let (status, found) = image.finds("libc-symbols");
    assert_eq!(status, Status::Failed);
    assert!(found.iter().any(|f| f.message == "libc.so.6 is not in the root"), "{found:?}");
    let here = std::fs::read("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2").unwrap();
    let image = image.file("/usr/lib/x86_64-linux-gnu/libc.so.6", here);
    let (_, found) = image.finds("libc-symbols");
    assert!(found.iter().any(|f| f.message.contains("which the root's libc.so.6 has not")));
}
