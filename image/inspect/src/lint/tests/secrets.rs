//! No secret, no site and nothing of one node is in an image.

use super::Image;
use crate::lint::Status;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::io::Write;

#[test]
fn a_ring_key_is_found_in_a_file_whatever_its_form() {
    let key = *b"a ring key of thirty-two bytes..";
    assert_eq!(Image::good().finds("site-secrets").0, Status::Skipped, "nothing to search for");
    Image::good().key(key).passes("site-secrets");
    let forms = [key.to_vec(), BASE64_STANDARD.encode(key).into_bytes(), hex::encode(key).into()];
    for form in forms {
        let text = [b"padding ".as_slice(), &form, b" more"].concat();
        let image = Image::good().key(key).file("/usr/share/x", text);
        let (_, found) = image.finds("site-secrets");
        assert_eq!(found[0].place, "/usr/share/x");
        assert!(!found[0].message.contains(&hex::encode(key)), "a finding shows no secret");
    }
}

#[test]
fn a_site_on_the_seed_or_the_boot_partition_is_found() {
    let key = [0xa7; 32];
    let image = Image::good().key(key);
    let text = BASE64_STANDARD.encode(key);
    for label in ["seed", "esp"] {
        image.disk(|at, directory| {
            if at == label {
                directory.create_file("site.toml").unwrap().write_all(text.as_bytes()).unwrap();
            }
        });
        image.fails("site-secrets", &[label]);
    }
    image.passes("seed-empty");
}

#[test]
fn a_seed_with_any_file_is_refused() {
    let image = Image::good();
    image.disk(|at, directory| {
        if at == "seed" {
            directory.create_file("site.toml").unwrap();
        }
    });
    image.fails("seed-empty", &["seed"]);
}

#[test]
fn a_private_key_of_a_site_is_found_by_its_lines() {
    let line = "Q".repeat(64);
    let pem = format!("-----BEGIN PRIVATE KEY-----\nMIGH\n{line}\n-----END PRIVATE KEY-----\n");
    let mut image = Image::good().file("/usr/lib/x", format!("x{line}x"));
    image.pem = Some(pem.clone());
    image.fails("site-secrets", &["/usr/lib/x"]);
    Image::good().file("/etc/key.pem", &pem).fails("private-keys", &["/etc/key.pem"]);
}

#[test]
fn what_belongs_to_one_node_is_refused() {
    let image = Image::good()
        .file("/etc/ssh/ssh_host_ed25519_key", "x")
        .file("/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    image.fails("ssh-host-keys", &["/etc/ssh/ssh_host_ed25519_key"]);
    image.fails("machine-id", &["/etc/machine-id"]);
    Image::good().file("/etc/machine-id", "uninitialized\n").passes("machine-id");
    Image::good().without("/etc/machine-id").fails("machine-id", &["/etc/machine-id"]);
}

#[test]
fn an_account_with_a_password_or_without_one_is_refused() {
    Image::good().file("/etc/shadow", "root::1:::::\n").fails("password-hashes", &["/etc/shadow"]);
    let image = Image::good().file("/etc/shadow", "root:$y$j9T$x:1:::::\n");
    image.fails("password-hashes", &["/etc/shadow"]);
    let shown = image.finds("password-hashes").1;
    assert!(!shown[0].message.contains("$y$"), "a finding shows no hash");
}
