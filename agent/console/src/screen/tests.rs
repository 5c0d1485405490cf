use super::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::json;

fn ready() -> Status {
    let phase = |name: &str, reached: f64, detail: &str| json!({"phase": name, "holds": true, "reached": reached, "detail": detail});
    let member = |name: &str, address: &str, status: &str| json!({"name": name, "address": address, "status": status, "same_cluster": true});
    serde_json::from_value(json!({
        "release": "0.1.0", "profile": "retail", "site": "shop-42",
        "identity": {"id": "1a2b", "name": "ashlar-1a2b3c4d", "address": "10.83.0.1"},
        "cluster": "c0ffee", "ready": true,
        "phases": [
            phase("identity", 1.94, ""), phase("ring", 3.2, "3 alive"),
            phase("pki", 4.0, "certificate until May 1"), phase("storage", 12.5, "mounted"),
            phase("swarm", 14.04, "manager"), phase("ready", 14.1, ""),
        ],
        "members": [
            member("ashlar-00000002", "10.83.12.200", "alive"),
            member("ashlar-1a2b3c4d", "10.83.0.1", "alive"),
            member("ashlar-00000003", "10.83.0.3", "failed"),
        ],
        "storage": {"volume": "clusterfs", "replicas": 3, "bricks_online": 2, "bricks": 3,
                    "tls": true, "mounted": true, "pending_heals": 4},
        "swarm": {"local": "active", "manager": true, "leader": true, "nodes_up": 2, "nodes": 3},
        "doing": [], "trouble": null, "boot": {"userspace": 1.0, "agent": 1.5},
    }))
    .unwrap()
}

fn joining() -> Status {
    let mut status = ready();
    (status.ready, status.storage, status.swarm) = (false, None, None);
    for phase in status.phases.iter_mut().skip(1) {
        phase.holds = false;
        phase.detail = "waiting …".into();
        if phase.phase != ashlar_api::Phase::Ring {
            phase.reached = None;
        }
    }
    status.members.clear();
    status.doing = vec!["start the ring".into(), "join it".into(), "set tags".into()];
    status.trouble = Some(
        "the ring does not start: the keyring at /var/lib/ashlar/ring/keyring.json holds no \
         key of 32 bytes; import the site again"
            .into(),
    );
    status
}

fn draw(screen: &Screen<'_>, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| frame.render_widget(screen, frame.area())).unwrap();
    terminal.backend().to_string()
}

const fn showing(status: &Status) -> Screen<'_> {
    Screen { status: Some(status), silent: None, scroll: 0, can_quit: false }
}

#[test]
fn a_ready_box_shows_everything_on_the_smallest_common_screen() {
    insta::assert_snapshot!(draw(&showing(&ready()), 80, 25));
}

#[test]
fn a_box_in_trouble_shows_the_whole_trouble() {
    insta::assert_snapshot!(draw(&showing(&joining()), 80, 25));
}

#[test]
fn the_worst_alerts_are_on_the_screen_with_their_cures() {
    let mut status = ready();
    status.ready = false;
    let alert = |severity, words: &str| ashlar_api::Alert {
        severity,
        id: "volume-read-only".into(),
        subject: "clusterfs".into(),
        since_ms: 0,
        words: words.into(),
        cure: "switch the missing boxes on".into(),
    };
    status.alerts = vec![
        alert(Severity::Critical, "clusterfs takes no writes"),
        alert(Severity::Warning, "ashlar-00000003 does not answer"),
        alert(Severity::Warning, "the state partition is full to 90 %"),
        alert(Severity::Notice, "4 entries heal"),
    ];
    insta::assert_snapshot!(draw(&showing(&status), 80, 25));
}

#[test]
fn a_box_whose_agent_is_absent_says_so() {
    let silent = Some((7, "the agent does not answer on /run/ashlar/agent.sock: No such file"));
    let screen = Screen { status: None, silent, scroll: 0, can_quit: true };
    insta::assert_snapshot!(draw(&screen, 80, 10));
}

#[test]
fn a_box_whose_agent_fell_silent_keeps_what_it_knew_and_says_how_old_it_is() {
    let status = ready();
    let screen = Screen { silent: Some((42, "no answer")), ..showing(&status) };
    let drawn = draw(&screen, 80, 25);
    assert!(drawn.contains("not answered for 42 s"), "{drawn}");
    assert!(drawn.contains("ashlar-00000003"), "{drawn}");
}

#[test]
fn many_members_scroll_and_say_so() {
    let mut status = ready();
    let one = status.members[0].clone();
    status.members =
        (0..40).map(|n| MemberView { name: format!("ashlar-{n:08}"), ..one.clone() }).collect();
    let screen = Screen { scroll: 12, ..showing(&status) };
    let drawn = draw(&screen, 80, 25);
    assert!(drawn.contains("members 13 to"), "{drawn}");
    assert!(drawn.contains("ashlar-00000012") && !drawn.contains("ashlar-00000011"), "{drawn}");
    let end = draw(&Screen { scroll: 39, ..screen }, 80, 25);
    assert!(end.contains("to 40 of 40") && end.contains("ashlar-00000039"), "{end}");
}

#[test]
fn a_small_screen_keeps_the_trouble() {
    let drawn = draw(&showing(&joining()), 40, 12);
    assert!(drawn.contains("ashlar-1a2b3c4d") && drawn.contains("trouble"), "{drawn}");
}

#[test]
fn no_size_of_the_screen_breaks_it() {
    let (ready, joining) = (ready(), joining());
    for (width, height) in (1..90).step_by(7).flat_map(|w| (1..30).step_by(3).map(move |h| (w, h)))
    {
        for status in [&ready, &joining] {
            draw(&showing(status), width, height);
        }
        let absent = Screen { status: None, ..showing(&ready) };
        draw(&absent, width, height);
    }
}

#[test]
fn everything_drawn_is_in_the_kernel_s_font() {
    let mut status = joining();
    status.members = ready().members;
    status.members[0].name = "evil\x1b[2J✔名".into();
    let drawn = draw(&showing(&status), 80, 25);
    let known = |c: char| {
        matches!(c, '\n' | ' '..='~' | '√' | '·' | '↑' | '↓' | '┌' | '┐' | '└' | '┘' | '─' | '│')
            || matches!(c, '█' | '▀' | '▄')
    };
    let unknown: Vec<char> = drawn.chars().filter(|c| !known(*c)).collect();
    assert_eq!(unknown, [], "{drawn}");
}
