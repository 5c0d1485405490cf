//! What somebody is asked before a box changes, and what is said afterwards.

use super::{Agent, succession, target};
use serde_json::{Value, json};

#[test]
fn a_network_that_is_tried_is_followed_until_it_is_kept_or_undone() {
    let trying = || json!({ "change": "trying" });
    let agent = Agent::saying([trying(), trying(), json!({ "change": null })]);
    let site = agent.dir.path().join("site.toml");
    std::fs::write(&site, "name = 'shop'").unwrap();
    let set = ["network", "set", site.to_str().unwrap()];
    let (code, out, _) = agent.ctl(&set);
    assert_eq!(code, 0);
    assert!(out.contains("confirm` keeps it") && out.ends_with("The new network is kept.\n"));
    let undone = json!({ "change": { "undone": { "why": "no router answered" } } });
    let (code, out, err) = Agent::saying([trying(), undone.clone()]).ctl(&set);
    assert_eq!(code, 1);
    assert!(!out.contains("is kept") && err.contains("was undone: no router answered"), "{err}");
    let (code, out, _) =
        Agent::saying([undone.clone()]).ctl(&[set.as_slice(), &["--json"]].concat());
    assert_eq!((code, serde_json::from_str::<Value>(&out).unwrap()), (1, undone));
    let (code, _, err) = Agent::absent().ctl(&["network", "set", "/nonexistent/site.toml"]);
    assert!(code == 1 && err.contains("cannot read /nonexistent/site.toml"), "{err}");
}

#[test]
fn a_whole_site_is_reset_by_its_name_and_a_box_that_is_off_holds_it_back() {
    let one = |name: &str, begun: bool, trouble: Option<&str>| json!({ "name": name, "losses": ["its copy"], "begun": begun, "trouble": trouble });
    let site = |boxes: [Value; 2]| json!({ "site": "shop", "boxes": boxes });
    let would = || site([one("ashlar-bb", false, None), one("ashlar-aa", false, None)]);
    let did = site([one("ashlar-bb", true, None), one("ashlar-aa", true, None)]);
    let (code, out, _) =
        Agent::saying([would(), did]).ctl(&["reset", "site", "--name", "shop", "--keep-site"]);
    assert_eq!(code, 0);
    for words in ["reset of the site shop", "ashlar-bb:\n  - its copy", "ashlar-aa: resets now"] {
        assert!(out.contains(words), "{out}");
    }
    // Nobody types the name here.
    let (code, _, err) = Agent::saying([would()]).ctl(&["reset", "site"]);
    assert!(code == 1 && err.contains("--name"), "{err}");
    let off = || site([one("ashlar-bb", false, Some("it is off")), one("ashlar-aa", false, None)]);
    let (code, out, err) = Agent::saying([off()]).ctl(&["reset", "site", "--name", "shop"]);
    assert!(code == 1 && out.contains("is not reset: it is off"), "{out}");
    assert!(err.contains("add --partial"), "{err}");
}

#[test]
fn nobody_switches_a_box_off_by_a_script_without_saying_yes() {
    let would = json!({"absence": {"lines": ["b and c stay up"], "stops": ["nothing new is scheduled"]},
                       "begun": false});
    let (code, out, _) = Agent::saying([would.clone()]).ctl(&["power", "off", "--dry-run"]);
    assert_eq!(code, 0);
    assert!(out.contains("b and c stay up") && out.contains("Beware: nothing new"), "{out}");
    let (code, _, err) = Agent::saying([would.clone()]).ctl(&["power", "off"]);
    assert_eq!(code, 1);
    assert!(err.contains("add --yes"), "{err}");
    let mut does = would.clone();
    does["begun"] = true.into();
    let (code, out, _) = Agent::saying([would, does]).ctl(&["power", "off", "--yes", "--json"]);
    assert_eq!(code, 0);
    assert!(serde_json::from_str::<Value>(&out).unwrap()["begun"].as_bool().unwrap(), "{out}");
}

#[test]
fn who_takes_a_box_out_is_shown_what_changes_and_asked_before_anything_does() {
    let agent = Agent::saying([target(None, false)]);
    let (code, text, _) = agent.ctl(&["node", "remove", "ashlar-a", "--dry-run"]);
    assert_eq!(code, 0);
    assert!(text.contains("moves to ashlar-b") && text.contains("Afterwards: 3 boxes"), "{text}");
    // Nobody is there who could type the name.
    let (code, _, error) = agent.ctl(&["node", "remove", "ashlar-a"]);
    assert_eq!(code, 1);
    assert!(error.contains("--yes"), "{error}");
}

#[test]
fn a_box_that_the_cluster_cannot_do_without_is_a_refusal_with_its_reason() {
    let agent = Agent::saying([target(Some("it is the last box"), false)]);
    for words in [&["node", "remove", "a", "--yes"][..], &["node", "keep", "a"]] {
        let (code, _, error) = agent.ctl(words);
        assert_eq!(code, 1);
        assert!(error.contains("nothing is done: it is the last box"), "{error}");
    }
}

#[test]
fn a_box_is_struck_off_only_by_its_name_where_its_copy_may_be_the_last() {
    let target = json!({
        "lines": ["ashlar-3 at 10.83.0.3 is struck off at once"], "afterwards": "2 boxes",
        "refused": null, "unless_typed": "its copy may be the last whole one",
    });
    let would = json!({ "target": target, "decided": false });
    let refused = json!({ "target": { "lines": [], "afterwards": "",
        "refused": "its copy may be the last whole one" }, "decided": false });
    let agent = Agent::saying([would.clone(), refused]);
    let (code, text, error) = agent.ctl(&["node", "revoke", "ashlar-3", "--yes"]);
    assert_ne!(code, 0);
    assert!(text.contains("Refused unless its name is typed"), "{text}");
    assert!(error.contains("nothing is done"), "{error}");
    let decided = json!({ "target": target, "decided": true });
    let agent = Agent::saying([would, decided]);
    let (code, text, _) = agent.ctl(&["node", "revoke", "ashlar-3", "--typed", "ashlar-3"]);
    assert_eq!(code, 0);
    assert!(text.contains("ashlar-3 is struck off.") && text.contains("ring's key"), "{text}");
}

#[test]
fn pki_rotate_says_what_changes_and_waits_until_every_box_that_is_on_has_followed() {
    let answer = |decided: bool| {
        json!({ "target": { "lines": ["a new CA is minted"], "refused": null },
            "decided": decided })
    };
    let stands = |stage: &str, lacks: Value| {
        json!({ "cluster": "c0ffee", "authorities": [], "key_here": true, "own": null,
            "members": [], "struck_off": 0, "succession": succession(stage),
            "boxes": [{ "name": "ashlar-2", "alive": true, "cas": null, "lacks": lacks }] })
    };
    let last = stands("only", Value::Null);
    let waits = stands("spread", json!("does not trust the new CA yet"));
    let agent = Agent::saying([answer(false), answer(true), waits, last]);
    let (code, text, err) = agent.ctl(&["pki", "rotate", "--yes"]);
    assert_eq!(code, 0, "{err}");
    assert!(text.contains("- a new CA is minted") && text.contains("has a new CA"), "{text}");
    assert!(err.contains("ashlar-2"), "{err}");
    let refused = json!({ "target": { "lines": [], "refused": "b is too old" }, "decided": false });
    let (code, _, err) = Agent::saying([refused]).ctl(&["pki", "rotate", "--yes"]);
    assert!(code != 0 && err.contains("nothing is done: b is too old"), "{err}");
}
