use crate::{Site, SiteError};
use ipnet::Ipv4Net;
use proptest::prelude::*;
use std::path::Path;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn parse(rest: &str) -> Result<Site, SiteError> {
    let text = format!("version = 1\nname = 'shop'\nring-key = '{KEY}'\n{rest}");
    Site::parse(&text, Path::new("site.toml"))
}

fn refused(rest: &str) -> String {
    parse(rest).err().map(|error| error.to_string()).unwrap_or_else(|| panic!("taken: {rest}"))
}

const BOX: &str = "[[network.node]]\nmac = '52:54:00:12:34:56'\n";

#[test]
fn what_a_network_cannot_be_is_told_by_line() {
    let node = |rest: &str| format!("{BOX}{rest}");
    for (rest, line, words) in [
        ("[network]\nvlan = 0".into(), 5, "`network.vlan`: expected 1 to 4094"),
        ("[network]\nvlan = 4095".into(), 5, "`network.vlan`: expected 1 to 4094"),
        ("[network]\nbond = 'lacp'".into(), 5, "`active-backup` or `802.3ad`"),
        ("[network]\ndns = ['10.0.0.1', '10.0.0.1']".into(), 5, "`network.dns[1]`: it is in the"),
        ("[network]\ndns = ['0.0.0.0']".into(), 5, "`network.dns[0]`: no name server"),
        ("[network]\nsearch = ['shop..x']".into(), 5, "`network.search[0]`: expected a domain"),
        ("[network]\ngateway = '10.0.0.1'".into(), 5, "`network.gateway`: no box has an `uplink`"),
        ("[network.wifi]\nssid = ''".into(), 5, "`network.wifi.ssid`"),
        ("[network.wifi]\nssid = 'x'\npassphrase = 'short'".into(), 6, "`network.wifi.passphrase`"),
        ("[network.wifi]\nssid = 'x'\npassphrase = ' eight888'".into(), 6, "no blank at an end"),
        ("[network.proxy]\nexcept = ['x']".into(), 4, "`network.proxy`: expected `http`"),
        ("[network.proxy]\nhttp = '10.0.0.1:3128'".into(), 5, "`network.proxy.http`: expected"),
        ("[network.proxy]\nhttps = 'http://a b'".into(), 5, "`network.proxy.https`: expected"),
        (
            "[network.proxy]\nhttp = 'http://p:1'\nexcept = ['a', 'b c']".into(),
            6,
            "`network.proxy.except[1]`: expected a host",
        ),
        ("[network.pools]\noverlay = '172.20.0.1/16'".into(), 5, "did you mean `172.20.0.0/16`?"),
        ("[network.pools]\noverlay = '172.20.0.0/24'".into(), 5, "from /8 to /22"),
        ("[network.pools]\ncontainers = '10.0.0.0/8'".into(), 5, "overlaps network.cluster"),
        (
            "[network.pools]\ncontainers = '172.20.0.0/16'\noverlay = '172.16.0.0/12'".into(),
            6,
            "overlaps network.pools.containers (172.20.0.0/16)",
        ),
        ("[network]\ncluster = '198.18.4.0/24'".into(), 5, "another one with `network.pools`"),
        (
            "[network]\ndns = ['172.20.9.1']\n[network.pools]\noverlay = '172.20.0.0/16'".into(),
            7,
            "would not reach the name server 172.20.9.1",
        ),
        ("[[network.node]]\nwitness = true".into(), 4, "`network.node[0]`: expected `mac` or"),
        (node(""), 4, "`network.node[0]`: expected `address`, `uplink` or `witness`"),
        (node("uplink = '192.168.7.21/32'"), 6, "with the length of its network"),
        (node("uplink = '192.168.7.0/24'"), 6, "it stands for the network"),
        (node("uplink = '10.83.9.9/24'"), 6, "overlaps network.cluster"),
        (node("uplink = '169.254.1.1/16'"), 6, "that a machine can have"),
        (
            node("uplink = '192.168.7.21/24'\n[network]\ngateway = '192.168.8.1'"),
            8,
            "`network.gateway`: expected an address inside 192.168.7.0/24",
        ),
        (
            node("uplink = '192.168.7.1/24'\n[network]\ngateway = '192.168.7.1'"),
            6,
            "the router has 192.168.7.1",
        ),
        (
            "[[network.node]]\nserial = 'To be filled by O.E.M.'\nwitness = true".into(),
            5,
            "use `mac`",
        ),
        ("[[network.node]]\nserial = ' x'\nwitness = true".into(), 5, "no blank at either end"),
        ("[time]\nzone = '/etc/shadow'".into(), 5, "`time.zone`: expected a time zone"),
        ("[time]\nservers = ['10.0.0.256']".into(), 5, "`time.servers[0]`: expected an address"),
        ("[console]\nkeyboard = '../de'".into(), 5, "`console.keyboard`: expected the name"),
        ("[console]\npin-hash = '1234'".into(), 5, "`console.pin-hash`: expected what"),
    ] {
        let message = refused(&rest);
        let place = format!("site.toml:{line}: ");
        assert!(message.contains(&place) && message.contains(words), "{rest}: {message}");
    }
}

#[test]
fn two_boxes_of_one_name_or_address_are_told_apart_from_two_names_of_one_box() {
    let second = |rest: &str| {
        format!("{BOX}serial = 'A1'\nuplink = '10.1.1.2/24'\n[[network.node]]\n{rest}")
    };
    for (rest, words) in [
        ("serial = 'A1'\nwitness = true", "`network.node[1].serial`: another node has A1"),
        ("serial = 'A2'\nuplink = '10.1.1.2/24'", "another node has 10.1.1.2 as well"),
        ("mac = '52:54:00:12:34:56'\nwitness = true", "`network.node[1].mac`: another node"),
    ] {
        let message = refused(&second(rest));
        assert!(
            message.contains("site.toml:9: ") || message.contains("site.toml:10: "),
            "{message}"
        );
        assert!(message.contains(words), "{message}");
    }
    let site = parse(&second("serial = 'A2'\nwitness = true")).unwrap();
    assert!(site.network.node[1].witness && !site.network.node[0].witness);
}

#[test]
fn no_refusal_shows_a_passphrase_or_a_password() {
    for rest in [
        "[network.wifi]\nssid = 'x'\npassphrase = 's3cret'",
        "[network.wifi]\nssid = 's3cret'\npassphrase = 12\n",
        "[network.wifi]\nsid = 'x'\npassphrase = 's3cret-s3cret'",
        "[network.proxy]\nhttp = 'till:s3cret@proxy'",
        "[network]\nproxy = 'http://till:s3cret@proxy'",
        "[console]\npin-hash = 's3cret'",
    ] {
        let message = format!("{:?}", miette::Report::new(parse(rest).unwrap_err()));
        assert!(!message.contains("s3cret"), "{message}");
    }
}

fn network() -> impl Strategy<Value = Ipv4Net> {
    let first = prop_oneof![Just(10_u8), Just(172), Just(192), Just(198), any::<u8>()];
    (first, any::<u8>(), any::<u8>(), any::<u8>(), 0_u8..=32)
        .prop_map(|(a, b, c, d, length)| Ipv4Net::new([a, b, c, d].into(), length).unwrap())
}

proptest! {
    #[test]
    fn no_two_networks_of_a_site_that_is_taken_overlap(
        cluster in network(), containers in network(), overlay in network(), uplink in network(),
    ) {
        let rest = format!(
            "[network]\ncluster = '{}'\n[network.pools]\ncontainers = '{}'\noverlay = '{}'\n\
             {BOX}uplink = '{uplink}'",
            cluster.trunc(), containers.trunc(), overlay.trunc()
        );
        if parse(&rest).is_ok() {
            let all = [cluster.trunc(), containers.trunc(), overlay.trunc(), uplink.trunc()];
            for (index, one) in all.iter().enumerate() {
                for other in &all[..index] {
                    prop_assert!(!one.contains(other) && !other.contains(one), "{one} {other}");
                }
            }
        }
    }

    #[test]
    fn what_is_read_is_written_and_read_as_the_same(vlan in 1_u16..4095, ssid in "[ -~]{1,32}",
        passphrase in "[!-~]{8,63}", serial in "[A-Z0-9]{5,20}", host in "[a-z]{1,12}") {
        let rest = format!(
            "[network]\nvlan = {vlan}\nbond = '802.3ad'\ndns = ['192.168.7.1']\n\
             [network.wifi]\nssid = {}\npassphrase = {}\n[network.proxy]\nhttp = 'http://{host}:3128'\n\
             [[network.node]]\nserial = '{serial}'\nuplink = '192.168.7.21/24'\n\
             [time]\nzone = 'Europe/Berlin'\nservers = ['{host}']\n",
            toml::Value::String(ssid), toml::Value::String(passphrase)
        );
        let site = parse(&rest).unwrap();
        let text = site.to_toml().unwrap();
        let again = Site::parse(&text, Path::new("again")).unwrap();
        prop_assert_eq!(again.to_toml().unwrap(), text);
    }
}
