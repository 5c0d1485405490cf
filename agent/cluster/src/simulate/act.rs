//! What steps do to the model, and how they go wrong.

use super::storage::Renewal;
use super::{Event, Fault, Simulation, alone, pair};
use crate::{Daemon, Planned, Step, judge};

/// How a step ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Works,
    /// It fails and has done nothing.
    Fails,
    /// It has worked and reports a failure.
    FailsAfter,
    /// Power fails before it, in the middle of it, or right after it.
    Cut(Moment),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Before,
    Middle,
    After,
}

/// `Err` is why it failed, for the transcript.
pub(super) type Effect = Result<(), &'static str>;

impl Simulation {
    /// Begins the first of the planned steps.
    pub(super) fn begin_step(&mut self, node: usize) {
        let Some(run) = &self.nodes[node].run else { return };
        let Some(Planned { step, .. }) = run.doing.front().cloned() else {
            let worked = run.worked;
            if let Some(run) = &mut self.nodes[node].run {
                run.worked = false;
            }
            // After progress at once, otherwise with a pause.
            self.wake_in(node, if worked { (20, 50) } else { (500, 1_000) });
            return;
        };
        // As the daemon does: no step acts on facts that are no more.
        let observed = self.observe(node);
        if !judge(&step, &observed, &self.settings.wanted).is_empty() {
            self.say(Some(node), || format!("{step}: not any more"));
            if let Some(run) = &mut self.nodes[node].run {
                run.doing.pop_front();
            }
            return self.begin_step(node);
        }
        let joining = matches!(step, Step::Found | Step::Enrol { .. });
        if joining || self.nodes[node].disk.steps > 0 {
            self.nodes[node].disk.steps += 1;
        }
        let boot = self.nodes[node].boots;
        self.after(duration(&step), Event::Done { node, boot });
    }

    /// The time of the first planned step is over.
    pub(super) fn done(&mut self, node: usize) {
        let Some(planned) = self.nodes[node].run.as_mut().and_then(|run| run.doing.pop_front())
        else {
            return;
        };
        self.report.steps += 1;
        let step = planned.step;
        let fence = planned.fence;
        let end = self.end(node, &step);
        let effect = match end {
            End::Fails | End::Cut(Moment::Before) => Err("by chance"),
            End::Cut(Moment::Middle) => self.half(node, &step),
            End::Works | End::FailsAfter | End::Cut(Moment::After) => {
                if let Step::Record { intent } = &step {
                    self.write_record(node, intent, fence.and_then(|fence| fence.index))
                } else {
                    self.apply(node, &step)
                }
            }
        };
        self.say(Some(node), || {
            let words = match (end, effect) {
                (End::Cut(Moment::Before), _) => "power cut before it",
                (End::Cut(Moment::Middle), _) => "power cut in the middle of it",
                (End::Cut(Moment::After), _) => "power cut right after it",
                (End::FailsAfter, Ok(())) => "worked, and reports a failure",
                (_, Ok(())) => "done",
                (_, Err(why)) => return format!("{step}: fails: {why}"),
            };
            format!("{step}: {words}")
        });
        if effect.is_ok() {
            self.watch_rafts();
            self.touch();
        }
        if let End::Cut(_) = end {
            self.report.cuts += 1;
            self.power_off(node);
            // A box that begins anew, or stays out, has said itself as what it comes back.
            let changed = matches!(step, Step::StartAnew | Step::StayOut | Step::Dissolve { .. })
                && effect.is_ok();
            if !changed {
                self.after(self.settings.off, Event::On { node });
            }
            return;
        }
        let (now, pause) = (self.now, self.random.between(500, 1_500));
        if let Some(run) = &mut self.nodes[node].run {
            run.worked |= end == End::Works && effect.is_ok();
            let tries = run.tried.iter().find(|(s, _, _)| *s == step).map_or(0, |(_, n, _)| *n);
            run.tried.retain(|(s, _, _)| *s != step);
            run.tried.push((step, tries + 1, now + pause * (1 << tries.min(3))));
        }
        self.begin_step(node);
    }

    fn end(&mut self, node: usize, step: &Step) -> End {
        let moments = [Moment::Before, Moment::Middle, Moment::After];
        let moment = moments[(self.random.next() % 3) as usize];
        if *step == Step::RenewBrick && self.settings.renewals_cut > 0 {
            self.settings.renewals_cut -= 1;
            return End::Cut(Moment::Middle);
        }
        let settings = &self.settings;
        let founder = self.nodes[node].disk.membership.as_ref().map(|m| m.founder);
        let founder = founder.unwrap_or(matches!(step, Step::Found));
        let chosen = settings
            .cut_at
            .is_some_and(|at| at.founder == founder && at.step == self.nodes[node].disk.steps);
        if self.report.cuts < settings.most_cuts && (chosen || self.random.permille(settings.cuts))
        {
            return End::Cut(moment);
        }
        if self.random.permille(settings.failures) {
            return if self.random.permille(500) { End::Fails } else { End::FailsAfter };
        }
        End::Works
    }

    fn apply(&mut self, node: usize, step: &Step) -> Effect {
        match step {
            Step::MakeIdentity => {
                self.nodes[node].disk.identity = true;
                Ok(())
            }
            Step::Start { daemon } => self.start(node, *daemon),
            Step::Restart { daemon } => self.restart(node, *daemon),
            // Everybody finds everybody by mDNS in the model.
            Step::JoinRing { .. } => Ok(()),
            Step::SetTags { tags } => {
                self.announce(node, tags.clone());
                Ok(())
            }
            Step::Found => self.found(node, false),
            Step::Enrol { cluster, via } => self.enrol(node, cluster, via, false),
            Step::RenewCertificate { via } => self.renew(node, via),
            Step::TrustCa { ca } => self.trust_ca(node, ca),
            Step::FetchNextCaKey { ca, via } => self.fetch_next(node, ca, via),
            Step::SignByCa { ca } => self.sign_by(node, ca),
            Step::TrustOnlyCa { ca } => self.trust_only(node, ca),
            Step::FetchCaKey { via } => {
                let ca = self.nodes[node].disk.ca.clone();
                let same = |n: usize| self.signs_by(n) == self.signs_by(node);
                let held = |n: usize| ca.is_some() && self.nodes[n].disk.ca_key == ca && same(n);
                self.answers(node, via).find(|n| held(*n)).ok_or("nobody gives the key")?;
                self.nodes[node].disk.ca_key = ca;
                self.nodes[node].disk.keys.seal();
                Ok(())
            }
            Step::DropCaKey { via } => {
                let ca = self.nodes[node].disk.ca.clone();
                let held = |n: &usize| ca.is_some() && self.nodes[*n].disk.ca_key == ca;
                let keep = self.answers(node, via).filter(held).count();
                if keep < via.len() {
                    return Err("not all of them show the key");
                }
                self.nodes[node].disk.ca_key = None;
                Ok(())
            }
            Step::AdoptRingKey => self.adopt_key(node, false),
            Step::TakeRingKey { key, via } => self.take_key(node, key, via),
            Step::UseRingKey { key } => self.use_key(node, key),
            Step::DropRingKeys { .. } => self.drop_keys(node),
            Step::ProbePeer { address } => self.probe(node, *address, true),
            Step::CreateVolume { bricks } => {
                self.create(node, bricks)?;
                self.tune(node)
            }
            Step::AddBricks { bricks, .. } => self.add(node, bricks),
            Step::AddArbiter { brick } => {
                self.add(node, std::slice::from_ref(brick))?;
                let volume = self.volume(node).ok_or("there is no volume")?;
                volume.arbiter = volume.nodes.last().copied();
                Ok(())
            }
            Step::AddSet { bricks } => self.add_set(node, bricks),
            Step::Rebalance { .. } => self.rebalance(node),
            Step::NoteSpread { sets } => self.note_spread(node, *sets),
            Step::TuneVolume => self.tune(node),
            Step::StartVolume => {
                self.volume(node).ok_or("there is no volume")?.started = true;
                self.revive(node);
                Ok(())
            }
            Step::HandOver { turn, .. } => self.hand_over(node, *turn, pair::Reach::All),
            Step::HandBack { turn } => self.hand_back(node, *turn, false),
            Step::GoOnAlone { without } => self.go_on_alone(node, *without, alone::Reach::All),
            Step::LeadAlone => self.lead_alone(node),
            Step::ForgetWord => self.forget_word(node),
            Step::MountVolume | Step::Remount => self.mount(node),
            Step::ConnectAnew => {
                self.connect_anew(node);
                Ok(())
            }
            Step::InitSwarm => self.init(node, false),
            Step::RecordSwarm => self.record(node),
            Step::JoinSwarm { role, via } => self.join(node, *role, via, false),
            Step::TrimLogs => Ok(()),
            Step::LeaveSwarm => {
                if let Some(run) = &mut self.nodes[node].run {
                    run.limbo = None;
                }
                Ok(())
            }
            Step::RestartEngine => self.restart(node, Daemon::Engine),
            Step::DropSwarmEntry { id, revoked, .. } => {
                let raft = self.leads(node)?;
                let up = |n: &usize| {
                    format!("seat-{n}") == *id && self.nodes[*n].engine() && self.reach(node, *n)
                };
                if !revoked && self.rafts[raft].seats.keys().any(up) {
                    return Err("it is up");
                }
                let seats = &mut self.rafts[raft].seats;
                seats.retain(|seat, _| format!("seat-{seat}") != *id);
                self.rafts[raft].emptied.retain(|seat| format!("seat-{seat}") != *id);
                self.rafts[raft].voting.retain(|seat| format!("seat-{seat}") != *id);
                self.rafts[raft].ghosts.remove(id);
                Ok(())
            }
            Step::Record { intent } => self.write_record(node, intent, None),
            Step::ReplaceBrick { from, to } => self.replace_brick(node, *from, *to),
            Step::RenewBrick => self.renew_brick(node, Renewal::Done),
            Step::RemakeData => self.remake_data(node),
            Step::SettleDirectory { path } => self.settle_directory(node, path),
            Step::DropBrick { brick, .. } => self.drop_brick(node, *brick),
            Step::DetachPeer { address } => self.detach(node, *address),
            Step::AdmitToVolume { names } => {
                self.volume(node).ok_or("there is no volume")?.admits.clone_from(names);
                Ok(())
            }
            Step::ForgetMember { name } => self.forget(node, name),
            Step::StrikeOff { nodes } => {
                self.nodes[node].disk.struck_off.clone_from(nodes);
                Ok(())
            }
            Step::TakeMachine => Err("no disk is moved here"),
            Step::SetClock { ahead_s } => self.set_clock(node, *ahead_s),
            Step::StartAnew => self.start_anew(node),
            Step::StayOut => self.stay_out(node),
            Step::Yield { into } => self.yield_to(node, into, false),
            Step::StandFast => {
                self.nodes[node].disk.yields = None;
                Ok(())
            }
            Step::Dissolve { .. } => self.dissolve(node),
            Step::SetLeaving { name, leaving } => self.set_leaving(node, name, *leaving),
            Step::SetVoting { name, voting } => self.set_voting(node, name, *voting),
            Step::SetSwarmRole { name, role } => self.set_role(node, name, *role),
            Step::DeployStack { name } => self.deploy(node, name, true),
            Step::RemoveStack { name } => {
                let raft = self.leads(node)?;
                self.rafts[raft].stacks.remove(name);
                Ok(())
            }
        }
    }

    fn tune(&mut self, node: usize) -> Effect {
        let volume = self.volume(node).ok_or("there is no volume")?;
        volume.tuned_for = volume.set_size();
        self.tune_terms(node)
    }

    /// What is left of a step in whose middle power fails.
    pub(super) fn half(&mut self, node: usize, step: &Step) -> Effect {
        match step {
            Step::Found => self.found(node, true),
            Step::Enrol { cluster, via } => self.enrol(node, cluster, via, true),
            Step::ProbePeer { address } => self.probe(node, *address, false),
            Step::InitSwarm => self.init(node, true),
            Step::JoinSwarm { role, via } => self.join(node, *role, via, true),
            Step::DeployStack { name } => self.deploy(node, name, false),
            Step::AdoptRingKey => self.adopt_key(node, true),
            Step::HandOver { turn, .. } => {
                use pair::Reach::{Here, Noted, Stopped, There};
                let late = self.settings.fault == Some(Fault::NotedLast);
                let half = [Stopped, Noted, Here, There][self.random.one_of(4)];
                let half = if late { There } else { half };
                self.hand_over(node, *turn, half)
            }
            Step::HandBack { turn } => self.hand_back(node, *turn, true),
            Step::RenewBrick => {
                let half = [Renewal::Noted, Renewal::Marked, Renewal::Told];
                let half = half[self.random.one_of(half.len())];
                self.renew_brick(node, half)
            }
            Step::CreateVolume { bricks } => self.create(node, bricks),
            Step::GoOnAlone { without } => {
                use alone::Reach::{Admitted, Dropped};
                let half = [Admitted, Dropped][self.random.one_of(2)];
                self.go_on_alone(node, *without, half)
            }
            // The others happen or do not happen.
            _ if self.random.permille(500) => self.apply(node, step),
            _ => Err("by chance"),
        }
    }

    fn start(&mut self, node: usize, daemon: Daemon) -> Effect {
        // systemd takes a unit that hangs for started.
        if self.nodes[node].hangs(daemon) {
            return Ok(());
        }
        if daemon == Daemon::Engine && self.nodes[node].disk.gone {
            return Err("its data partition is not mounted");
        }
        let boot = self.nodes[node].boots;
        let fresh = self.nodes[node].run.as_mut().is_some_and(|run| run.starting.insert(daemon));
        if fresh {
            self.after((200, 4_000), Event::Up { node, boot, daemon });
        }
        Ok(())
    }

    pub(super) fn restart(&mut self, node: usize, daemon: Daemon) -> Effect {
        if let Some(run) = &mut self.nodes[node].run {
            run.hung.remove(&daemon);
            run.starting.remove(&daemon);
            match daemon {
                Daemon::Ring => run.ring = None,
                Daemon::Storage => run.storage = false,
                // Somebody else starts it.
                Daemon::Bricks => {
                    run.brick = false;
                    self.lose_brick(node);
                    return Ok(());
                }
                Daemon::Engine => run.engine = false,
            }
        }
        self.watch_rafts();
        self.start(node, daemon)
    }
}

/// How long a step takes, in milliseconds.
const fn duration(step: &Step) -> (u64, u64) {
    match step {
        Step::MakeIdentity
        | Step::TakeMachine
        | Step::SetClock { .. }
        | Step::RecordSwarm
        | Step::SetTags { .. }
        | Step::TrimLogs
        | Step::DropCaKey { .. }
        | Step::StrikeOff { .. }
        | Step::UseRingKey { .. }
        | Step::DropRingKeys { .. }
        | Step::TrustCa { .. }
        | Step::SignByCa { .. }
        | Step::TrustOnlyCa { .. }
        | Step::Yield { .. }
        | Step::StandFast
        | Step::ForgetWord
        | Step::AdoptRingKey => (5, 50),
        Step::Start { .. } | Step::Restart { .. } | Step::JoinRing { .. } => (50, 500),
        Step::Found | Step::Enrol { .. } | Step::RenewCertificate { .. } => (100, 2_000),
        Step::FetchCaKey { .. }
        | Step::FetchNextCaKey { .. }
        | Step::TakeRingKey { .. }
        | Step::SetSwarmRole { .. }
        | Step::SetLeaving { .. }
        | Step::SetVoting { .. }
        | Step::DropSwarmEntry { .. }
        | Step::Record { .. }
        | Step::ForgetMember { .. } => (50, 1_000),
        Step::ProbePeer { .. }
        | Step::NoteSpread { .. }
        | Step::AdmitToVolume { .. }
        | Step::TuneVolume
        | Step::HandBack { .. }
        | Step::MountVolume
        | Step::Remount
        | Step::ConnectAnew => (300, 3_000),
        Step::CreateVolume { .. }
        | Step::HandOver { .. }
        | Step::GoOnAlone { .. }
        | Step::AddBricks { .. }
        | Step::AddArbiter { .. }
        | Step::AddSet { .. }
        | Step::Rebalance { .. }
        | Step::ReplaceBrick { .. }
        | Step::RenewBrick
        | Step::RemakeData
        | Step::SettleDirectory { .. }
        | Step::DropBrick { .. }
        | Step::DetachPeer { .. }
        | Step::StartVolume => (500, 5_000),
        Step::InitSwarm
        | Step::LeadAlone
        | Step::StartAnew
        | Step::StayOut
        | Step::Dissolve { .. }
        | Step::JoinSwarm { .. }
        | Step::LeaveSwarm
        | Step::RestartEngine
        | Step::DeployStack { .. }
        | Step::RemoveStack { .. } => (500, 5_000),
    }
}
