use super::*;
use crate::fakes::{Fake, FakeNode, loopback};
use futures_util::FutureExt;

const NOBODY: Reach = Reach { gateway: false, member: false };
const ALL: Reach = Reach { gateway: true, member: true };
const ROUTER: Reach = Reach { gateway: true, member: false };
const BOX: Reach = Reach { gateway: false, member: true };

#[test]
fn a_change_is_kept_when_whoever_answered_before_answers_again() {
    let late = SETTLE;
    for (before, now, leads_out) in [
        (ALL, ALL, true),
        (ROUTER, ROUTER, true),
        (BOX, BOX, true),
        (ALL, BOX, false),
        (NOBODY, ROUTER, true),
        (NOBODY, BOX, true),
    ] {
        assert_eq!(decide(before, now, leads_out, late), Verdict::Keep, "{before:?} {now:?}");
        let early = SETTLE.saturating_sub(Duration::from_secs(1));
        assert_eq!(decide(before, now, leads_out, early), Verdict::Wait);
    }
}

#[test]
fn a_change_that_cuts_the_box_off_waits_a_while_and_is_undone() {
    for (before, now, why) in [
        (ALL, NOBODY, "neither a router nor another box answered"),
        (ALL, BOX, "no router answered"),
        (ALL, ROUTER, "no other box answered"),
        (ROUTER, NOBODY, "no router answered"),
        (NOBODY, NOBODY, "nobody answered"),
    ] {
        let early = PATIENCE.saturating_sub(Duration::from_secs(1));
        assert_eq!(decide(before, now, true, early), Verdict::Wait, "{before:?} {now:?}");
        assert_eq!(decide(before, now, true, PATIENCE), Verdict::Undo(why));
    }
}

#[test]
fn what_a_box_has_for_life_is_not_changed_with_its_network() {
    let site = |rest: &str| crate::fakes::site(rest);
    let known = Known::default();
    let old = site("[network]\n");
    for (new, what) in [
        ("[network]\ncluster = '10.99.0.0/16'\n", Some("`network.cluster` is another")),
        ("[network]\nbond = '802.3ad'\n", Some("`network.bond` is another")),
        (
            "[network.pools]\ncontainers = '198.18.0.0/16'\noverlay = '198.19.0.0/16'\n",
            Some("`network.pools` are others"),
        ),
        ("[network]\nvlan = 20\ndns = ['192.168.7.1']\n", None),
    ] {
        assert_eq!(immutable(&old, &site(new), &known), what, "{new}");
    }
}

struct Box {
    fake: Fake,
    changer: Changer<Fake, Fake, Fake, Fake>,
    told: watch::Receiver<Told>,
    old: String,
    _root: tempfile::TempDir,
}

/// A box whose router answers.
fn a_box() -> Box {
    let root = tempfile::tempdir().unwrap();
    let mut fake = Fake::default();
    let mut node: FakeNode = fake.node(root.path(), loopback(90));
    node.site.network.node.clear();
    let old = node.site.to_toml().unwrap().to_string();
    std::fs::write(node.paths.site(), &old).unwrap();
    let router = loopback(91);
    fake.world().gateways = vec![(router, "host0".into())];
    fake.world().answering.insert(router);
    let (_, members) = watch::channel(Vec::new());
    let (told, tells) = watch::channel(Told::default());
    let changer = Changer::new(Rc::new(node), members, told, Arc::default());
    Box { fake, changer, told: tells, old, _root: root }
}

impl Box {
    fn paths(&self) -> &Paths {
        &self.changer.node.paths
    }

    async fn ask(&mut self, asked: Asked) -> Result<()> {
        if matches!(self.changer.take(asked).await?, Then::Apply) {
            self.changer.apply().await?;
        }
        Ok(())
    }

    async fn set(&mut self) -> String {
        let mut new = self.changer.node.site.clone();
        new.network.vlan = Some(20);
        let text = new.to_toml().unwrap().to_string();
        self.ask(Asked::Set(Zeroizing::new(text.clone()))).await.unwrap();
        text
    }

    fn site(&self) -> String {
        std::fs::read_to_string(self.paths().site()).unwrap()
    }

    fn has_vlan(&self) -> bool {
        self.paths().networkd().join("12-ashlar-uplink.netdev").exists()
    }

    /// As if it had been tried for so long.
    async fn after(&mut self, long: Duration) {
        self.changer.trial.as_mut().unwrap().since = Instant::now() - long;
        self.changer.look().await.unwrap();
    }
}

#[tokio::test]
async fn a_network_under_which_the_router_answers_becomes_the_site_s() {
    let mut it = a_box();
    let new = it.set().await;
    assert!(it.has_vlan());
    assert_eq!(it.site(), it.old, "the old one, until the new one is kept");
    assert!(it.ask(Asked::Set(Zeroizing::new(new.clone()))).await.is_err(), "one at a time");
    it.after(SETTLE).await;
    assert_eq!(it.site(), new);
    assert_eq!(stage(it.paths()), None);
    assert!(!it.paths().network_trial().exists());
    let calls = it.fake.world().calls.clone();
    assert_eq!(calls.last().unwrap(), "restart ashlar-agent.service");
}

#[tokio::test]
async fn the_agent_looks_anew_at_once_when_a_change_begins_is_undone_or_is_kept() {
    let mut it = a_box();
    let looks = it.changer.wake.clone();
    let anew = || looks.notified().now_or_never().is_some();
    assert!(!anew());
    it.set().await;
    assert!(anew(), "one is tried");
    it.fake.world().answering.clear();
    it.after(SETTLE).await;
    assert!(!anew(), "it gets its time");
    it.after(PATIENCE).await;
    assert!(anew(), "it was undone");
    it.ask(Asked::Revert).await.unwrap();
    assert!(anew(), "nobody wants to hear of it any more");
    it.set().await;
    it.ask(Asked::Confirm).await.unwrap();
    assert!(anew(), "it is kept");
}

#[tokio::test]
async fn a_network_that_cuts_the_box_off_is_put_back_and_said() {
    let mut it = a_box();
    it.set().await;
    it.fake.world().answering.clear();
    it.after(SETTLE).await;
    assert!(it.has_vlan(), "it gets its time");
    it.after(PATIENCE).await;
    assert!(!it.has_vlan() && it.site() == it.old);
    let place = it.changer.node.observe().await.unwrap().place;
    let why = "no router answered".to_owned();
    assert_eq!(place.change, Some(NetworkChange::Undone { why }));
    // Until somebody has read it.
    it.ask(Asked::Revert).await.unwrap();
    assert_eq!(it.changer.node.observe().await.unwrap().place.change, None);
    assert!(it.ask(Asked::Revert).await.is_err());
}

#[tokio::test]
async fn a_person_keeps_what_nobody_answers_under_or_takes_it_back() {
    let mut it = a_box();
    assert!(it.ask(Asked::Confirm).await.is_err(), "there is nothing to keep");
    it.set().await;
    it.fake.world().answering.clear();
    it.ask(Asked::Revert).await.unwrap();
    assert!(!it.has_vlan() && stage(it.paths()).is_none());
    let new = it.set().await;
    it.ask(Asked::Confirm).await.unwrap();
    assert_eq!(it.site(), new);
}

#[tokio::test]
async fn power_that_fails_while_a_network_is_tried_puts_the_old_one_back() {
    let mut it = a_box();
    it.set().await;
    // Another agent starts on the same disk.
    undo_unkept(it.paths()).unwrap();
    assert_eq!(it.site(), it.old);
    assert!(!it.paths().network_trial().exists());
    let Some(NetworkChange::Undone { why }) = stage(it.paths()) else { panic!() };
    assert!(why.contains("started again"), "{why}");
    // In the same boot what was written for the new one is still there.
    site_files::apply(it.paths(), &it.fake, &it.changer.node.site).await.unwrap();
    assert!(!it.has_vlan());
    undo_unkept(it.paths()).unwrap();
    assert!(stage(it.paths()).is_some(), "it is said until it was read");
}

#[tokio::test]
async fn power_that_fails_while_a_network_is_being_kept_leaves_it_kept() {
    let mut it = a_box();
    let new = it.set().await;
    // The site was written, and no more.
    std::fs::write(it.paths().site(), &new).unwrap();
    undo_unkept(it.paths()).unwrap();
    assert_eq!(it.site(), new);
    assert_eq!(stage(it.paths()), None, "nothing was undone");
    assert!(!it.paths().network_trial().exists());
}

#[tokio::test]
async fn a_site_that_nobody_could_use_changes_nothing() {
    let mut it = a_box();
    for text in ["name = 1", &it.old.replace("demo", "other")] {
        assert!(it.ask(Asked::Set(Zeroizing::new(text.to_owned()))).await.is_err(), "{text}");
    }
    assert!(!it.has_vlan() && stage(it.paths()).is_none());
}

#[tokio::test]
async fn a_note_of_a_newer_release_is_told_and_hides_nothing_else() {
    let mut it = a_box();
    let newer = r#"{"version":2,"stage":{"waits":"for a person"}}"#;
    std::fs::write(it.paths().network_change(), newer).unwrap();
    std::fs::write(it.paths().network_trial(), "of the newer release").unwrap();
    undo_unkept(it.paths()).unwrap();
    assert!(!it.paths().network_trial().exists(), "no start goes by it");
    let place = it.changer.node.observe().await.unwrap().place;
    let Some(NetworkChange::Undone { why }) = place.change else { panic!("{place:?}") };
    assert!(why.contains("is of version 2") && why.contains("ashlarctl network revert"), "{why}");
    it.ask(Asked::Revert).await.unwrap();
    assert_eq!(it.changer.node.observe().await.unwrap().place.change, None);
}

#[test]
fn what_is_noted_of_a_change_can_be_read_for_ever() {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::under(root.path());
    state::make_private_dir(&paths.state()).unwrap();
    for (golden, stage_then) in [
        (r#"{"version":1,"stage":"trying"}"#, NetworkChange::Trying),
        (
            r#"{"version":1,"stage":{"undone":{"why":"x"}}}"#,
            NetworkChange::Undone { why: "x".into() },
        ),
    ] {
        std::fs::write(paths.network_change(), golden).unwrap();
        assert_eq!(stage(&paths), Some(stage_then.clone()));
        let written = Note { version: VERSION, stage: stage_then };
        assert_eq!(serde_json::to_string(&written).unwrap(), golden);
    }
}

fn fixed(address: &str) -> WayOut {
    WayOut {
        address: Some(address.into()),
        gateway: Some("192.168.7.1".into()),
        names: vec!["9.9.9.9".into()],
    }
}

#[tokio::test]
async fn a_way_out_that_a_person_types_is_asked_about_tried_and_kept_with_the_rest_of_the_site() {
    let mut it = a_box();
    it.changer.tell(&it.changer.node.site.clone()).await.unwrap();
    let told = |it: &Box| it.told.borrow().clone();
    assert_eq!(told(&it).way_out, Some(WayOut::default()));
    let way = fixed("192.168.7.21/24");
    let asked = it.changer.take(Asked::WayOut(way.clone(), true)).await.unwrap();
    let Then::Tell(lines) = asked else { panic!("it was only asked about") };
    assert_eq!(lines[1], format!("Then it is {way}."));
    assert_eq!(stage(it.paths()), None, "nothing is done");

    it.ask(Asked::WayOut(way.clone(), false)).await.unwrap();
    assert_eq!(stage(it.paths()), Some(NetworkChange::Trying));
    assert_eq!(told(&it).left_s(), Some(PATIENCE.as_secs()));
    assert_eq!(told(&it).way_out, Some(WayOut::default()), "what is tried is not the site's");
    it.ask(Asked::Confirm).await.unwrap();
    assert_eq!((told(&it).way_out, told(&it).left_s()), (Some(way), None));
    let (old, new) = (Site::parse(&it.old, Path::new("old")).unwrap(), it.site());
    let new = Site::parse(&new, Path::new("new")).unwrap();
    assert_eq!(new.ring_key, old.ring_key);
    assert_eq!(new.network.node.len(), 1, "this box, and what is fixed for it");
}

#[tokio::test]
async fn a_way_out_that_no_site_may_have_is_refused_in_the_site_s_words_and_not_tried() {
    let mut it = a_box();
    for (way, words) in [
        (fixed("192.168.7.21"), "with the length of its network"),
        (fixed("192.168.8.21/24"), "inside 192.168.8.0/24"),
    ] {
        for dry_run in [true, false] {
            let asked = it.changer.take(Asked::WayOut(way.clone(), dry_run)).await;
            let Err(error) = asked else { panic!("{way:?} is tried") };
            assert!(error.to_string().contains(words), "{error:#}");
        }
    }
    assert_eq!(stage(it.paths()), None);
}

#[tokio::test]
async fn a_typed_way_out_that_cuts_the_box_off_is_put_back() {
    let mut it = a_box();
    it.ask(Asked::WayOut(fixed("192.168.7.21/24"), false)).await.unwrap();
    it.fake.world().answering.clear();
    it.after(PATIENCE).await;
    assert_eq!(it.site(), it.old);
    assert_eq!(it.told.borrow().left_s(), None);
    let why = "no router answered".to_owned();
    assert_eq!(stage(it.paths()), Some(NetworkChange::Undone { why }));
}
