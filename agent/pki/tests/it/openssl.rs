//! GlusterFS speaks TLS through OpenSSL: what it will do with our files,
//! OpenSSL must do here. Needs the `openssl` command (package `openssl`).

use crate::site::Node;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// GlusterFS 11's defaults (`rpc/rpc-transport/socket/src/socket.c`).
const CIPHERS: &str = "AES128:EECDH:EDH:HIGH:!3DES:!RC4:!DES:!MD5:!aNULL:!eNULL";
const DEPTH: &str = "1";

fn openssl(args: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn path(file: PathBuf) -> String {
    file.to_str().unwrap().to_owned()
}

#[test]
fn openssl_accepts_a_node_certificate_for_both_sides() {
    let founder = Node::founder();
    let member = Node::member(2, &founder);
    let (ca, node) = (path(founder.file("ca.pem")), path(member.file("node.pem")));
    for purpose in ["sslserver", "sslclient"] {
        let output = openssl(&["verify", "-x509_strict", "-purpose", purpose])
            .args(["-verify_depth", DEPTH, "-CAfile", &ca, &node])
            .output()
            .expect("the openssl command is installed");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{purpose}: {text}");
    }
    // A node certificate must not be able to issue others.
    let text = openssl(&["x509", "-noout", "-text", "-in", &node]).output().unwrap().stdout;
    let text = String::from_utf8(text).unwrap();
    for expected in [
        "CA:FALSE",
        "Digital Signature",
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "CN = ashlar-00000002",
        "DNS:ashlar-00000002",
        "IP Address:10.83.0.2",
        "URI:ashlar:node:00000000000000000000000000000002",
    ] {
        assert!(text.contains(expected), "no {expected:?} in:\n{text}");
    }
}

#[test]
fn openssl_refuses_a_node_of_another_cluster() {
    let (ours, theirs) = (Node::founder(), Node::founder_of("deadbeef"));
    let (ca, node) = (path(ours.file("ca.pem")), path(theirs.file("node.pem")));
    let output = openssl(&["verify", "-CAfile", &ca, &node]).output().unwrap();
    assert!(!output.status.success());
}

#[test]
fn a_caller_that_speaks_tls_1_2_is_refused() {
    let founder = Node::founder();
    let config = Arc::new(ashlar_pki::tls::server(&founder.credentials()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut connection = rustls::ServerConnection::new(config).unwrap();
        connection.complete_io(&mut stream).unwrap_err().to_string()
    });
    let talk = openssl(&["s_client", "-connect", &address, "-tls1_2"]).output().unwrap();
    assert!(!talk.status.success());
    let refused = serve.join().unwrap();
    assert!(refused.contains("incompatible"), "{refused}");
}

/// Kills the server when the test ends, however it ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn two_nodes_talk_through_openssl_as_glusterfs_sets_it_up() {
    let founder = Node::founder();
    let member = Node::member(2, &founder);
    for version in ["-tls1_2", "-tls1_3"] {
        let identity = |node: &Node| {
            ["-cert", "node.pem", "-key", "node.key", "-CAfile", "ca.pem"]
                .map(|arg| if arg.contains('.') { path(node.file(arg)) } else { arg.into() })
        };
        let mut server = Server(
            openssl(&["s_server", "-accept", "127.0.0.1:0", "-www", version])
                .args(["-Verify", DEPTH, "-verify_return_error", "-named_curve", "prime256v1"])
                .args(["-cipher", CIPHERS])
                .args(identity(&founder))
                .spawn()
                .expect("the openssl command is installed"),
        );
        let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines();
        let accept = lines.find_map(|line| Some(line.unwrap().strip_prefix("ACCEPT ")?.to_owned()));
        let Some(address) = accept else {
            let mut why = String::new();
            server.0.stderr.take().unwrap().read_to_string(&mut why).unwrap();
            panic!("{version}: s_server did not listen: {why}");
        };
        let talk = openssl(&["s_client", "-connect", &address, "-verify_return_error", version])
            .args(["-verify", DEPTH, "-cipher", CIPHERS])
            .args(["-verify_hostname", founder.subject.name()])
            .args(identity(&member))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&talk.stdout);
        assert!(
            talk.status.success() && said.contains("Verify return code: 0 (ok)"),
            "{version}: {said}\n{}",
            String::from_utf8_lossy(&talk.stderr)
        );
    }
}
