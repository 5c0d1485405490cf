//! The linter of plans: every rule that a plan may break, by name.
//!
//! It shares no code with the planner and judges the plan against the
//! observation itself, so that a mistake in one is caught by the other. A step
//! that breaks a rule is dropped, and it alone ([`lawful`]): a mistake about
//! the volume must not end the upkeep of certificates. Every step is judged
//! by itself, because no step of a plan relies on another; so one can be
//! judged again, on fresh facts, just before it acts ([`judge`]). To add a
//! rule, write a function and a line in [`RULES`].

mod alone;
mod founding;
mod general;
mod growth;
mod meeting;
mod pair;
mod removal;
mod renewal;
mod rotation;
mod storage;
mod succession;
mod swarm;
mod witness;

use crate::{
    Intent, KnownBox, MemberStatus, Observed, Part, Plan, RingMember, Step, SwarmLocal, Volume,
    Wanted,
};
use std::collections::BTreeSet;
use std::fmt::{Display, Formatter};
use std::net::IpAddr;

/// A rule for single steps.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name, as it appears in the journal.
    pub name: &'static str,
    /// The invariant of the design that it guards.
    pub invariant: u8,
    /// What it demands, in a sentence.
    pub says: &'static str,
    check: fn(&Step, &Case<'_>) -> Verdict,
}

/// A rule that a plan breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Violation {
    /// The rule's name.
    pub rule: &'static str,
    /// The invariant that it guards.
    pub invariant: u8,
    /// The step that breaks it, in words.
    pub step: String,
    /// How it breaks it.
    pub detail: String,
}

impl Display for Violation {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { rule, invariant, step, detail } = self;
        write!(f, "{rule} (invariant {invariant}): will not {step}: {detail}")
    }
}

/// Nothing, or what is wrong.
type Verdict = Result<(), String>;

/// Every rule, in the order of the invariants that they guard.
pub const RULES: &[Rule] = &[
    Rule {
        name: "found-only-when-alone",
        invariant: 1,
        says: "found only if no ring member that has not left shows a cluster, and all live ones say who they are or were waited for",
        check: founding::only_when_alone,
    },
    Rule {
        name: "found-only-smallest",
        invariant: 1,
        says: "found only as the smallest live id, seen exactly once",
        check: founding::only_smallest,
    },
    Rule {
        name: "found-waits-for-expected",
        invariant: 1,
        says: "with `expect` found only once that many nodes are alive",
        check: founding::waits_for_expected,
    },
    Rule {
        name: "found-waits-until-settled",
        invariant: 1,
        says: "found only in a ring unchanged for the settle time, and with a failed member for the grace time",
        check: founding::waits_until_settled,
    },
    Rule {
        name: "found-only-with-a-cable",
        invariant: 1,
        says: "found only once the port has had carrier for the settle time, and for longer if nobody else is seen or expected",
        check: founding::hears_the_others,
    },
    Rule {
        name: "no-second-membership",
        invariant: 1,
        says: "a node with a membership never founds, and never enrols with another cluster",
        check: founding::no_second_membership,
    },
    Rule {
        name: "ask-only-signers",
        invariant: 1,
        says: "certificates and the CA key come only from live members of the cluster that show the CA key",
        check: founding::ask_only_signers,
    },
    Rule {
        name: "sign-only-by-a-clock-that-can-be-right",
        invariant: 9,
        says: "nobody founds or signs whose clock is before its release was made, or not believed by the others",
        check: founding::signs_by_a_clock_that_can_be_right,
    },
    Rule {
        name: "set-the-clock-by-most-of-the-others",
        invariant: 9,
        says: "a clock that a time server set is left alone, and any other set only to what more than half of those that are believed show",
        check: founding::sets_the_clock_by_most_of_the_others,
    },
    Rule {
        name: "ca-key-on-three",
        invariant: 9,
        says: "the CA key is fetched only while fewer than three others hold it, and dropped only while three others do",
        check: founding::ca_key_on_three,
    },
    Rule {
        name: "cluster-wide-steps-by-authority-only",
        invariant: 2,
        says: "pool, volume, roles and stacks are changed by the Swarm's leader, or by the founder while there can be no Swarm",
        check: general::by_authority_only,
    },
    Rule {
        name: "one-swarm",
        invariant: 2,
        says: "only the founder starts a Swarm, only once, and only if nobody shows one",
        check: swarm::one_swarm,
    },
    Rule {
        name: "one-volume",
        invariant: 3,
        says: "a volume is created only where none is and, with a Swarm wanted, before there can be one",
        check: storage::one_volume,
    },
    Rule {
        name: "never-shrink",
        invariant: 3,
        says: "bricks are only added, one at a time, on a new node, as a further copy, up to the wanted count",
        check: storage::never_shrink,
    },
    Rule {
        name: "add-bricks-only-when-healthy",
        invariant: 3,
        says: "bricks are added only to a started volume with every brick online and nothing to heal",
        check: storage::add_only_when_healthy,
    },
    Rule {
        name: "renew-only-what-others-fill",
        invariant: 3,
        says: "a brick that lost all that it held, or may have lost parts of it and can be set aside beside a new one, is given back empty only while every other one of a set of three runs and lacks nothing",
        check: renewal::renew_only_what_others_fill,
    },
    Rule {
        name: "remake-only-what-others-fill",
        invariant: 3,
        says: "a data partition is made anew only if no repair helped, its disk can be read, and every other brick of a set of three runs and lacks nothing",
        check: renewal::remake_only_what_others_fill,
    },
    Rule {
        name: "settle-only-what-is-torn",
        invariant: 3,
        says: "a copy of a directory counts against another one only where they are different directories, enough boxes made this one, and all bricks run",
        check: storage::settle_only_what_is_torn,
    },
    Rule {
        name: "sets-of-three",
        invariant: 3,
        says: "a set is added as a whole: three bricks on three boxes that have none, to a volume of three copies",
        check: growth::sets_of_three,
    },
    Rule {
        name: "add-sets-only-when-healthy",
        invariant: 3,
        says: "a set is added only to a started volume with every brick online, nothing to heal, all files where they belong, and no box that needs to be replaced first",
        check: growth::add_only_when_healthy,
    },
    Rule {
        name: "spread-only-what-is-whole",
        invariant: 3,
        says: "files are moved between sets, and called spread, only with every brick online and nothing to heal; moved only while nothing moves, and called spread only when every box has moved its part",
        check: growth::spread_only_what_is_whole,
    },
    Rule {
        name: "bricks-only-on-open-peers",
        invariant: 3,
        says: "bricks go only to this node and to live members whose storage is open, connected and in the pool",
        check: storage::bricks_only_on_open_peers,
    },
    Rule {
        name: "witness-carries-no-data",
        invariant: 8,
        says: "a witness founds nothing and takes no copy, and only a witness takes a witness's brick",
        check: witness::carries_no_data,
    },
    Rule {
        name: "witness-beside-two",
        invariant: 8,
        says: "a witness's brick is added to two whole copies, both up, and given up only with its box, with one of the two, or for a third",
        check: witness::beside_two,
    },
    Rule {
        name: "witness-only-votes",
        invariant: 8,
        says: "only a witness gets no tasks for being one",
        check: witness::only_votes,
    },
    Rule {
        name: "hand-over-only-what-is-whole",
        invariant: 8,
        says: "of two boxes only the one that decides hands over, while it is switched off in order, both copies are whole and up, and the other one alone manages",
        check: pair::hand_over_what_is_whole,
    },
    Rule {
        name: "hand-back-only-what-is-whole",
        invariant: 8,
        says: "the first of two copies has its turn again only while both are whole and up, and its box stays",
        check: pair::hand_back_what_is_whole,
    },
    Rule {
        name: "one-of-two-serves",
        invariant: 8,
        says: "while the second of two copies decides only its box mounts the volume, whoever handed over not before a later turn, and no copy is added or given up",
        check: pair::one_of_two_serves,
    },
    Rule {
        name: "alone-only-by-a-person-s-word",
        invariant: 8,
        says: "of two boxes the second goes on alone only if a person said so, the first is not seen, and what is here is whole; it leads the Swarm only when the volume is its own",
        check: alone::by_a_persons_word,
    },
    Rule {
        name: "yield-to-who-went-on",
        invariant: 8,
        says: "the first of two mounts the volume only after it looked for the second, and never while that one shows that it went on without it",
        check: alone::yield_to_who_went_on,
    },
    Rule {
        name: "no-start-before-options",
        invariant: 3,
        says: "the volume starts only with TLS and quorum set",
        check: storage::no_start_before_options,
    },
    Rule {
        name: "no-mount-before-start",
        invariant: 3,
        says: "the volume is mounted only once it is started and this node carries a brick or needs none, or was at work before",
        check: storage::no_mount_before_start,
    },
    Rule {
        name: "tear-only-the-deaf",
        invariant: 3,
        says: "a mount is torn away only if it has been silent for long though enough bricks run",
        check: storage::tear_only_the_deaf,
    },
    Rule {
        name: "connect-anew-only-the-deaf",
        invariant: 3,
        says: "connections to the copies are made anew only if one has been missing for a while to a copy that answers",
        check: storage::connect_anew_only_the_deaf,
    },
    Rule {
        name: "managers-odd",
        invariant: 4,
        says: "managers grow towards an odd number within the wanted one, shrink only from above it, never by the leader, and change only while all are reachable; of two boxes the one with the first copy manages; one that is lost for the grace time is replaced while the others have a quorum; one that is taken out goes as soon as there is another",
        check: swarm::managers_odd,
    },
    Rule {
        name: "restart-only-the-disowned",
        invariant: 4,
        says: "an engine is restarted only if the Swarm has taken its node for down for a minute, and all other managers are reachable",
        check: swarm::restart_only_the_disowned,
    },
    Rule {
        name: "leave-only-a-dead-end",
        invariant: 4,
        says: "an engine leaves the Swarm only if it has been stuck for long on its way in, and others keep the Swarm",
        check: swarm::leave_only_a_dead_end,
    },
    Rule {
        name: "drop-only-the-replaced",
        invariant: 4,
        says: "an entry is struck from the Swarm only if it is dead and its box is up under another one, or lost its place",
        check: swarm::drop_only_the_replaced,
    },
    Rule {
        name: "empty-only-the-leaving",
        invariant: 2,
        says: "tasks are taken only from a box that a person asked to take out, and given back only to one from which the agent took them",
        check: swarm::empty_only_the_leaving,
    },
    Rule {
        name: "remove-only-what-is-not-shipped",
        invariant: 2,
        says: "a stack is removed only if the agent deployed it and the recipe ships it no more",
        check: swarm::remove_only_what_is_not_shipped,
    },
    Rule {
        name: "ring-key-by-record",
        invariant: 2,
        says: "the ring's key is taken, used and forgotten only as far as the record has come",
        check: rotation::by_record,
    },
    Rule {
        name: "ring-key-only-when-all-follow",
        invariant: 2,
        says: "a new ring key is used only once all that are seen have it, and the old one forgotten only once all use the new one",
        check: rotation::only_when_all_follow,
    },
    Rule {
        name: "ca-by-record",
        invariant: 2,
        says: "another CA is trusted, signs and is trusted alone only as far as the record has come",
        check: succession::by_record,
    },
    Rule {
        name: "ca-only-when-all-follow",
        invariant: 2,
        says: "certificates of a new CA are issued only once all that are seen trust it, and the one before is dropped only once all have one",
        check: succession::only_when_all_follow,
    },
    Rule {
        name: "only-by-a-record-it-reads",
        invariant: 2,
        says: "nothing cluster-wide is changed while the cluster's record is of a release that this one cannot read",
        check: removal::only_by_a_record_it_reads,
    },
    Rule {
        name: "retire-only-the-lost",
        invariant: 5,
        says: "a box loses its place only if ring and Swarm have not seen it for long, and its copy is whole elsewhere, or if it was emptied; and never has it back",
        check: removal::retire_only_the_lost,
    },
    Rule {
        name: "take-out-only-the-emptied",
        invariant: 3,
        says: "a box that lives loses its place only if a person asked for it, and neither a copy nor a manager's seat nor a task is on it, and all copies are whole; and only a person asks",
        check: removal::take_out_only_the_emptied,
    },
    Rule {
        name: "stay-out-until-let-in",
        invariant: 5,
        says: "a box that a person took out does nothing until a person lets it in",
        check: removal::stay_out_until_let_in,
    },
    Rule {
        name: "give-up-only-what-is-whole-elsewhere",
        invariant: 3,
        says: "a brick is replaced or given up only if it is a retired box's and out of reach, all others run and are whole, and two copies are left; or a box's that is taken out, all run and nothing is to heal",
        check: removal::give_up_only_what_is_whole_elsewhere,
    },
    Rule {
        name: "admit-every-box",
        invariant: 10,
        says: "the volume serves every box that has its place, and none that was struck off while a certificate of it may hold",
        check: removal::admit_every_box,
    },
    Rule {
        name: "detach-only-the-retired",
        invariant: 5,
        says: "only a retired box that is out of reach, or was struck off, and gives no brick leaves the storage pool",
        check: removal::detach_only_the_retired,
    },
    Rule {
        name: "forget-only-the-retired",
        invariant: 5,
        says: "the ring forgets only retired boxes that are not alive",
        check: removal::forget_only_the_retired,
    },
    Rule {
        name: "strike-off-only-the-retired",
        invariant: 10,
        says: "only boxes that lost their place are refused",
        check: removal::strike_off_only_the_retired,
    },
    Rule {
        name: "start-anew-only-when-told",
        invariant: 5,
        says: "a node forgets its cluster only if others said that its place was given away, and then does nothing else; if a person took it out it stays out",
        check: removal::start_anew_only_when_told,
    },
    Rule {
        name: "yield-only-what-holds-nothing",
        invariant: 6,
        says: "a cluster dissolves by itself only into one that comes before it, if neither its leader nor this box sees anything of a person's in it, and both have been in sight for long",
        check: meeting::yield_only_what_holds_nothing,
    },
    Rule {
        name: "dissolve-only-when-all-agree",
        invariant: 6,
        says: "a box leaves a cluster that dissolves only if it wrote that down, every other box of it shows the same, one of the other cluster can let it in, and it sees nothing of a person's or a person asked for it",
        check: meeting::dissolve_only_when_all_agree,
    },
    Rule {
        name: "restart-only-the-hung",
        invariant: 7,
        says: "a daemon is killed only if it runs and has not answered for long, and for longer while the whole box is starved of its processor",
        check: general::restart_only_the_hung,
    },
    Rule {
        name: "trim-only-when-filling",
        invariant: 7,
        says: "logs are cut only while the state partition runs full",
        check: general::trim_only_when_filling,
    },
    Rule {
        name: "no-tasks-before-their-files",
        invariant: 7,
        says: "the engine of a node that was in the Swarm starts only once the volume is mounted",
        check: swarm::no_tasks_before_their_files,
    },
    Rule {
        name: "tags-tell-the-truth",
        invariant: 7,
        says: "tags say what this node's state and daemons say",
        check: general::tags_tell_the_truth,
    },
    Rule {
        name: "nothing-on-unobserved-parts",
        invariant: 7,
        says: "no step touches a part that could not be observed",
        check: general::nothing_on_unobserved_parts,
    },
    Rule {
        name: "certified-before-services",
        invariant: 7,
        says: "storage and Swarm are touched only by a node with a membership and a valid certificate",
        check: general::certified_before_services,
    },
    Rule {
        name: "nothing-unwanted",
        invariant: 7,
        says: "nothing happens without a site, or for a feature that the recipe does not want",
        check: general::nothing_unwanted,
    },
];

/// Every rule that the plan breaks; empty for a plan that may be acted on.
#[must_use]
pub fn lint(plan: &Plan, observed: &Observed, wanted: &Wanted) -> Vec<Violation> {
    plan.steps.iter().flat_map(|planned| judge(&planned.step, observed, wanted)).collect()
}

/// Every rule that one step breaks.
#[must_use]
pub fn judge(step: &Step, observed: &Observed, wanted: &Wanted) -> Vec<Violation> {
    let case = Case { o: observed, w: wanted };
    let broken = |rule: &Rule| {
        let detail = (rule.check)(step, &case).err()?;
        let Rule { name: rule, invariant, .. } = *rule;
        Some(Violation { rule, invariant, step: step.to_string(), detail })
    };
    RULES.iter().filter_map(broken).collect()
}

/// The plan without the steps that break a rule, and what they break.
#[must_use]
pub fn lawful(mut plan: Plan, observed: &Observed, wanted: &Wanted) -> (Plan, Vec<Violation>) {
    let mut violations = Vec::new();
    plan.steps.retain(|planned| {
        let broken = judge(&planned.step, observed, wanted);
        let lawful = broken.is_empty();
        violations.extend(broken);
        lawful
    });
    (plan, violations)
}

/// The observation that a plan is judged against.
struct Case<'a> {
    o: &'a Observed,
    w: &'a Wanted,
}

impl<'a> Case<'a> {
    fn members(&self) -> &'a [RingMember] {
        self.o.ring.as_ref().map_or(&[], |ring| &ring.members)
    }

    fn volume(&self) -> Option<&'a Volume> {
        self.o.storage.as_ref()?.volume.as_ref()
    }

    /// For how long a part has run and not answered, in milliseconds; `None` if it is not
    /// known to.
    fn hung_ms(&self, part: Part) -> Option<u64> {
        let silent = self.o.looks.get(&part)?.silent.as_ref().filter(|silent| silent.runs)?;
        Some(self.o.now_ms.saturating_sub(silent.since_ms))
    }

    fn intent(&self) -> Option<&'a Intent> {
        self.o.swarm.as_ref()?.record.intent()
    }

    /// Whether the record says that the box at this address lost its place.
    fn is_retired(&self, address: IpAddr) -> bool {
        let mut retired = self.intent().into_iter().flat_map(|intent| intent.retired.values());
        retired.any(|gone| gone.address == address)
    }

    /// Other members of this node's cluster that have not left or lost their place.
    fn kin(&self) -> impl Iterator<Item = &'a RingMember> + use<'a> {
        let own = self.o.identity.as_ref().map(|me| &me.id);
        let cluster = self.o.membership.as_ref().map(|m| &m.cluster);
        let noted = self.intent().into_iter().flat_map(|intent| intent.retired.keys());
        let retired: BTreeSet<_> = noted.chain(&self.o.pki.struck_off).collect();
        self.members().iter().filter(move |m| {
            let other = m.id.is_some() && m.id.as_ref() != own;
            let same = cluster.is_some() && m.cluster.as_ref() == cluster;
            let gone = m.id.as_ref().is_some_and(|id| retired.contains(&id));
            other && same && !gone && m.status != MemberStatus::Left
        })
    }

    fn live_kin_at(&self, address: IpAddr, fits: fn(&RingMember) -> bool) -> bool {
        self.kin().any(|m| m.status == MemberStatus::Alive && m.address == address && fits(m))
    }

    /// Boxes that a person asked to take out.
    fn leaving(&self) -> impl Iterator<Item = &'a KnownBox> + use<'a> {
        let noted = self.intent().into_iter().flat_map(|intent| intent.boxes.values());
        noted.filter(|known| known.remove)
    }

    fn leaves_at(&self, address: IpAddr) -> bool {
        self.leaving().any(|known| known.address == address)
    }

    fn leaves(&self, name: &str) -> bool {
        self.leaving().any(|known| known.name == name)
    }

    /// The box without which this cluster went on, while a certificate of it may hold.
    fn left(&self) -> Option<crate::NodeId> {
        if let Some(word) = &self.o.left_behind {
            return Some(word.id.clone());
        }
        let now = self.o.clock.unix.unwrap_or(0);
        let retired = self.intent().into_iter().flat_map(|intent| &intent.retired);
        let held = crate::RetiredBox::OUTLIVED;
        let left = retired.filter(|(_, g)| g.left_behind && now.saturating_sub(g.at) < held);
        left.max_by_key(|(_, gone)| gone.at).map(|(id, _)| id.clone())
    }

    fn certified(&self) -> bool {
        self.o.membership.is_some() && self.o.pki.ca && self.o.pki.certificate
    }

    /// Founder of a cluster that cannot have a Swarm.
    fn no_swarm_can_exist(&self) -> bool {
        let unrecorded = self.o.membership.as_ref().is_some_and(|m| m.founder && !m.swarm);
        unrecorded && self.kin().all(|m| m.swarm.is_none())
    }

    fn authority(&self) -> bool {
        if !self.w.swarm {
            return self.o.membership.as_ref().is_some_and(|m| m.founder);
        }
        let active = self.o.swarm.as_ref().filter(|s| s.local == SwarmLocal::Active);
        active.map_or_else(|| self.no_swarm_can_exist(), |s| s.manager && s.leader)
    }
}

/// `Err` with the text unless the condition holds.
fn must(condition: bool, otherwise: impl Into<String>) -> Verdict {
    if condition { Ok(()) } else { Err(otherwise.into()) }
}
