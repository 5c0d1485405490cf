//! Plans and phases in words, for the situations that every change of the
//! planner should be read against.
#![allow(clippy::unwrap_used)] // A test may; clippy sees only functions marked so.

mod situations;

use ashlar_cluster::{
    Alert, ClusterId, Disk, Hand, MemberStatus, NetworkChange, Observed, OtherClock, Part,
    Rebalance, RingMember, SwarmLocal, Troubles, Wanted, alerts, lint, phases, plan,
    simulate::Scenario,
};
use situations::*;

/// What a node does and where it stands.
fn words(observed: &Observed, wanted: &Wanted) -> String {
    let plan = plan(observed, wanted);
    assert_eq!(lint(&plan, observed, wanted), []);
    let mut lines = vec![plan.to_string(), String::new()];
    for p in phases(observed, wanted) {
        let mark = if p.holds { "✓" } else { "…" };
        lines.push(format!("{mark} {:<8} {}", p.phase, p.detail));
    }
    let alerts = alerts(observed, wanted, Troubles::default());
    if !alerts.is_empty() {
        lines.push(String::new());
    }
    for alert in alerts {
        let Alert { severity, id, subject, words, cure, .. } = alert;
        lines.push(format!("{severity} {id} [{subject}] {words}; {cure}"));
    }
    lines.join("\n")
}

/// What a node sees of two or three whose first one lost its power.
fn without_the_first(observed: Observed) -> Observed {
    but(observed, |o| {
        let dead = &mut o.ring.as_mut().unwrap().members[0];
        *dead = failed(dead.clone());
        o.storage.as_mut().unwrap().peers[0].connected = false;
        volume_of(o).bricks[0].online = false;
        volume_of(o).pending_heals = None;
        let dead = swarm_of(o).nodes.first_mut();
        dead.into_iter()
            .for_each(|dead| (dead.up, dead.reachable, dead.leader) = (false, false, false));
    })
}

macro_rules! golden {
    ($($name:ident: $observed:expr $(, $wanted:expr)?;)*) => {
        $(#[test]
        fn $name() {
            #[allow(unused_mut, unused_assignments)]
            let mut wanted = Wanted::default();
            $(wanted = $wanted;)?
            insta::assert_snapshot!(words(&$observed, &wanted));
        })*
    };
}

/// Node 1 of three, whose disk is in another machine.
fn moved(twin: bool) -> Observed {
    but(settled(1, 3), |o| {
        o.identity = None;
        (o.place.moved, o.place.twin) = (true, twin);
    })
}

/// Two boxes of the other cluster alone, and a third one that belongs to none.
fn newcomer(change: impl FnOnce(&mut Vec<RingMember>)) -> Observed {
    let mut members = met(1, 2, keeps(false, 2), keeps(true, 1)).ring.unwrap().members;
    members.push(member(9));
    change(&mut members);
    new_node(9, members)
}

golden! {
    two_clusters_that_both_hold_data_say_how_it_is_settled:
        met(1, 3, keeps(true, 3), keeps(true, 2));
    a_cluster_without_data_dissolves_into_one_with_data: met(1, 2, keeps(false, 2), keeps(true, 1));
    of_two_without_data_the_one_with_fewer_boxes_dissolves:
        met(1, 2, keeps(false, 2), keeps(false, 3));
    clusters_that_have_just_met_wait:
        but(met(1, 2, keeps(false, 2), keeps(true, 1)), |o| o.ring.as_mut().unwrap().quiet_ms = 9_000);
    a_cluster_with_data_goes_on: met(1, 2, keeps(true, 2), keeps(false, 5));
    a_leader_says_what_its_cluster_holds_once_another_is_in_sight:
        met(1, 2, None, keeps(false, 1));
    a_leader_that_misses_a_box_does_not_say_that_its_cluster_holds_nothing:
        but(met(1, 3, None, keeps(true, 1)), |o| lose(o, 3));
    data_that_came_in_while_its_cluster_dissolves_ends_that:
        but(met(1, 2, keeps(false, 2), keeps(true, 1)), |o| {
            yielding(o, 2, false);
            o.files = Some(true);
        });
    no_box_leaves_before_all_know: but(met(1, 3, keeps(false, 3), keeps(true, 1)), |o| yielding(o, 2, false));
    a_box_leaves_when_all_know: but(met(1, 3, keeps(false, 3), keeps(true, 1)), |o| yielding(o, 3, false));
    of_two_that_dissolve_into_each_other_one_goes_on:
        but(met(1, 2, keeps(true, 2), keeps(true, 1)), |o| {
            yielding(o, 2, true);
            o.ring.as_mut().unwrap().members[2].yields = Some(cluster());
        });
    a_newcomer_goes_to_the_cluster_that_goes_on: newcomer(|_| {});
    a_newcomer_never_goes_to_a_cluster_that_dissolves:
        newcomer(|members| {
            members[0].yields = Some(ClusterId(OTHER.into()));
            members.truncate(2);
            members.push(member(9));
        });
    without_a_site_nothing_happens: Observed::default();
    a_medium_that_cannot_be_written_joins_nothing_and_says_so:
        but(Observed::default(), |o| o.place.in_memory = true);
    a_box_that_is_only_tried_asks_for_no_site:
        but(Observed::default(), |o| o.place.tried = true);
    a_node_with_a_site_makes_its_identity: Observed { site: true, ..Observed::default() };
    the_minimal_recipe_is_ready_with_its_identity:
        Observed { ring: None, ..new_node(1, vec![]) },
        Wanted { ring: false, storage: false, swarm: false, ..Wanted::default() };
    a_node_whose_ring_does_not_answer_starts_it: Observed { ring: None, ..new_node(1, vec![]) };
    static_addresses_are_joined:
        new_node(1, vec![member(1), member(2)]),
        Wanted {
            join: vec!["10.83.0.2".into(), "10.83.0.3:7945".into(), "10.83.0.1".into()],
            ..expecting(3)
        };
    a_node_alone_settles_first:
        but(new_node(1, vec![member(1)]), |o| o.ring.as_mut().unwrap().quiet_ms = 3_000);
    a_node_alone_founds: new_node(1, vec![member(1)]);
    without_a_cable_nothing_is_founded:
        but(new_node(1, vec![member(1)]), |o| o.place.carrier_ms = None);
    a_node_that_sees_nobody_gives_the_switch_time:
        but(new_node(1, vec![member(1)]), |o| o.place.carrier_ms = Some(44_999));
    a_node_that_was_told_how_many_to_expect_needs_less:
        but(new_node(1, vec![member(1)]), |o| o.place.carrier_ms = Some(10_000)), expecting(1);
    a_node_that_sees_another_needs_less:
        but(new_node(1, vec![member(1), member(2)]), |o| o.place.carrier_ms = Some(10_000));
    a_clock_before_the_release_founds_nothing:
        but(new_node(1, vec![member(1)]), |o| o.clock.before_build = true);
    a_clock_that_the_others_contradict_founds_nothing:
        but(new_node(1, vec![member(1), member(2), member(3)]), |o| o.clock = years_behind(&[2, 3]));
    a_disk_from_another_machine_waits_for_the_cable:
        but(moved(false), |o| o.place.carrier_ms = Some(44_999));
    a_disk_that_was_moved_goes_on_in_the_other_machine: moved(false);
    a_disk_that_was_copied_is_not_its_twin: moved(true);
    a_copy_that_a_person_makes_a_box_of_its_own_begins_anew:
        but(moved(true), |o| o.retired = true);
    a_box_with_a_site_of_before_founds_nothing_and_says_why:
        but(new_node(1, vec![member(1)]), |o| o.ring.as_mut().unwrap().outdated = true);
    a_box_that_was_away_while_the_ring_s_key_was_replaced_is_told_so:
        but(settled(2, 3), |o| {
            let ring = o.ring.as_mut().unwrap();
            ring.outdated = true;
            ring.members.retain(|m| m.id == Some(id(2)));
        });
    a_network_that_is_tried_is_told:
        but(settled(1, 3), |o| o.place.change = Some(NetworkChange::Trying));
    a_network_that_was_undone_is_told_with_why:
        but(settled(1, 3), |o| {
            let why = "no router answered".into();
            o.place.change = Some(NetworkChange::Undone { why });
        });
    a_box_that_lost_power_while_it_begins_anew_goes_on:
        but(settled(2, 3), |o| (o.identity, o.retired) = (None, true));
    a_box_that_lost_power_while_it_is_taken_out_goes_on:
        but(settled(2, 3), |o| {
            (o.identity, o.retired, o.removed, o.out) = (None, true, true, true);
        });
    an_address_follows_the_cable_and_all_else_goes_on:
        but(settled(1, 3), |o| o.place.cable_elsewhere = true);
    a_laptop_in_the_ring_is_not_waited_for_for_ever:
        but(new_node(1, vec![member(1), RingMember { id: None, ..member(9) }]), |o| {
            o.ring.as_mut().unwrap().quiet_ms = 300_000;
        });
    a_static_address_where_nobody_answers_is_let_be:
        but(settled(2, 3), |o| o.ring.as_mut().unwrap().quiet_ms = 300_000),
        Wanted { join: vec!["192.168.7.2".into()], ..Wanted::default() };
    the_survivor_of_two_renews_by_itself:
        but(settled(2, 2), |o| {
            o.ring.as_mut().unwrap().members[0].status = MemberStatus::Failed;
            o.pki.renewal_due = true;
        });
    the_second_of_two_fetches_the_ca_key_though_it_manages_nothing:
        but(settled(2, 2), |o| {
            o.ring.as_mut().unwrap().members[1].ca_key = false;
            o.pki.ca_key = false;
        });
    a_fourth_copy_of_the_ca_key_is_given_up:
        but(settled(4, 5), |o| {
            o.ring.as_mut().unwrap().members[3].ca_key = true;
            o.pki.ca_key = true;
        });
    a_holder_that_is_away_for_a_moment_is_not_replaced:
        but(settled(4, 5), |o| o.ring.as_mut().unwrap().members[2].status = MemberStatus::Failed);
    a_holder_that_is_gone_is_replaced:
        but(settled(4, 5), |o| {
            o.ring.as_mut().unwrap().members[2].status = MemberStatus::Failed;
            o.ring.as_mut().unwrap().quiet_ms = 300_000;
        });
    a_box_that_is_not_seen_is_put_on_record: but(settled(1, 4), |o| lose(o, 3));
    a_box_that_has_a_place_is_put_on_record:
        but(settled(1, 3), |o| drop(intent_of(o).boxes.remove(&id(3))));
    a_box_that_is_lost_keeps_its_place_for_the_grace_time:
        but(settled(1, 4), |o| lose_for(o, 3, 71));
    a_box_that_is_lost_for_the_grace_time_loses_its_place:
        but(settled(1, 4), |o| lose_for(o, 3, 72));
    a_box_whose_copy_is_not_whole_elsewhere_keeps_its_place:
        but(settled(1, 4), |o| {
            lose_for(o, 3, 80);
            volume_of(o).behind = Some([address(2)].into());
        });
    the_second_of_two_keeps_its_place_until_another_box_is_there:
        but(settled(1, 2), |o| lose_for(o, 2, 80));
    a_clock_that_jumped_ends_no_place_by_itself:
        but(settled(1, 4), |o| {
            lose_for(o, 3, 8_000);
            o.ring.as_mut().unwrap().quiet_ms = 60_000;
        });
    a_spare_box_takes_the_place_of_a_retired_one: but(settled(1, 4), |o| retire(o, 3));
    three_more_boxes_become_a_second_set: settled(1, 6);
    two_more_boxes_are_spares: settled(1, 5);
    no_set_is_added_while_a_box_is_taken_out: leaving(1, 7, 3);
    files_move_to_a_new_set: one_set_new(Rebalance::Never);
    while_files_move_nothing_else_is_done: one_set_new(Rebalance::Running);
    files_that_were_left_move_again: one_set_new(Rebalance::Failed("10.83.0.5 was off".into()));
    files_do_not_move_while_a_copy_is_away:
        but(one_set_new(Rebalance::Failed("10.83.0.5 was off".into())), |o| {
            volume_of(o).bricks[4].online = false;
            volume_of(o).pending_heals = None;
        });
    that_files_are_spread_is_noted_once_all_is_whole: one_set_new(Rebalance::Done);
    that_files_are_spread_is_not_noted_while_entries_heal:
        but(one_set_new(Rebalance::Done), |o| volume_of(o).pending_heals = Some(4));
    two_sets_of_six_are_settled: two_sets(1, 6);
    of_two_sets_the_loss_of_two_copies_of_one_stops_writes:
        but(two_sets(1, 6), |o| {
            volume_of(o).bricks[3].online = false;
            volume_of(o).bricks[5].online = false;
            volume_of(o).pending_heals = None;
        });
    a_spare_takes_the_place_of_one_in_its_own_set: but(two_sets(1, 7), |o| retire(o, 5));
    of_two_sets_without_a_spare_a_lost_box_keeps_its_place: but(two_sets(1, 6), |o| lose_for(o, 5, 80));
    of_two_sets_without_a_spare_one_that_is_struck_off_keeps_its_brick_and_says_what_ends_that:
        but(two_sets(1, 6), |o| {
            revoke(o, 5);
            lose(o, 5);
            volume_of(o).bricks[4].online = false;
        });
    of_two_sets_a_spare_takes_the_place_of_one_that_is_struck_off: but(two_sets(1, 7), |o| revoke(o, 5));
    a_copy_that_lags_in_another_set_holds_nothing_up:
        but(two_sets(1, 7), |o| {
            retire(o, 5);
            volume_of(o).behind = Some([address(2)].into());
        });
    a_box_of_two_sets_is_replaced_once_no_files_move:
        but(two_sets(1, 7), |o| {
            retire(o, 5);
            (volume_of(o).spread, volume_of(o).rebalance) = (1, Some(Rebalance::Running));
        });
    of_two_sets_a_box_that_is_taken_out_gives_its_copy_to_the_spare:
        but(two_sets(1, 7), |o| intent_of(o).boxes.get_mut(&id(4)).unwrap().remove = true);
    without_a_spare_box_two_copies_go_on: but(settled(1, 3), |o| retire(o, 3));
    a_retired_box_without_a_brick_leaves_the_pool: but(settled(1, 4), |o| retire(o, 4));
    a_retired_box_that_is_back_sets_its_copy_aside_first:
        but(settled(1, 4), |o| {
            retire(o, 3);
            o.ring.as_mut().unwrap().members[2].status = MemberStatus::Alive;
            o.storage.as_mut().unwrap().peers[1].connected = true;
        });
    a_worker_that_is_told_of_a_retired_box_serves_it_no_more:
        but(settled(4, 4), |o| swarm_of(o).told_retired = [id(3)].into());
    a_daemon_that_hangs_on_a_starved_box_is_given_more_time:
        but(settled(2, 3), |o| {
            hangs(o, Part::Storage, 179_999);
            o.cpu_pressure = 80;
        });
    a_box_that_does_not_hear_a_copy_that_answers_waits_a_little:
        but(settled(2, 3), |o| {
            silent(o, 3);
            hangs(o, Part::Clients, 29_999);
        });
    a_box_that_does_not_hear_a_copy_that_answers_connects_to_all_anew:
        but(settled(2, 3), |o| {
            silent(o, 3);
            hangs(o, Part::Clients, 30_000);
        });
    a_box_whose_copy_was_given_up_works_on_without_it:
        but(settled(3, 3), |o| {
            *volume_of(o) = volume(&[1, 2]);
            o.mounted = false;
            o.swarm = None;
        });
    a_box_that_is_taken_out_is_emptied_first: leaving(1, 4, 3);
    a_box_that_is_struck_off_is_cleared_away_though_it_is_on: revoked(1, 4, 3);
    a_box_that_was_struck_off_and_leads_changes_nothing: revoked(1, 3, 1);
    who_manages_says_that_one_that_was_struck_off_leads: revoked(2, 3, 1);
    a_box_that_is_struck_off_is_served_by_nobody_who_hears_of_it:
        but(revoked(2, 4, 3), |o| o.pki.struck_off.clear());
    a_month_after_one_was_struck_off_the_volume_serves_every_box:
        but(revoked(1, 3, 3), |o| {
            lose(o, 3);
            volume_of(o).admits = Some([name(1), name(2)].into());
            *volume_of(o) = ashlar_cluster::Volume { admits: volume_of(o).admits.clone(), ..volume(&[1, 2]) };
            o.storage.as_mut().unwrap().peers.retain(|p| p.address != address(3));
            swarm_of(o).nodes.truncate(2);
            o.ring.as_mut().unwrap().members.truncate(2);
            o.clock.unix = Some(NOW + ashlar_cluster::RetiredBox::OUTLIVED);
        });
    a_box_that_was_emptied_loses_its_place: but(leaving(1, 4, 4), empty(4));
    a_box_whose_tasks_still_run_is_waited_for:
        but(leaving(1, 4, 4), |o| {
            empty(4)(o);
            swarm_of(o).nodes[3].tasks = 2;
        });
    a_box_that_is_kept_gets_tasks_again: but(settled(1, 4), empty(4));
    a_leader_that_is_taken_out_hands_over: leaving(1, 4, 1);
    the_second_of_two_manages_before_the_first_is_taken_out: leaving(1, 2, 1);
    a_copy_that_heals_does_not_move: but(leaving(1, 4, 3), |o| volume_of(o).pending_heals = Some(7));
    a_box_that_a_person_took_out_stays_out:
        but(settled(2, 3), |o| (o.retired, o.removed) = (true, true));
    a_box_that_is_out_waits_for_a_person:
        Observed { out: true, site: true, ..Observed::default() };
    another_manager_is_made_only_when_all_have_heard_that_one_went:
        but(settled(1, 4), |o| {
            swarm_of(o).nodes[2].manager = false;
            swarm_of(o).nodes[2].reachable = false;
            swarm_of(o).manager_less_ms = Some(19_999);
        });
    a_box_that_lost_its_place_begins_anew: but(settled(2, 3), |o| o.retired = true);
    a_record_of_a_newer_release_stops_every_change_of_the_cluster:
        but(settled(1, 3), |o| {
            swarm_of(o).record = ashlar_cluster::Record::Unreadable("version 2".into());
            volume_of(o).tuned = false;
        });
    a_changed_ring_key_is_taken_up: but(settled(2, 3), |o| o.pki.ring_key_changed = true);
    a_node_waits_for_the_expected_ones: new_node(1, vec![member(1), member(2)]), expecting(3);
    the_smallest_of_three_founds:
        new_node(1, vec![member(3), member(1), member(2)]), expecting(3);
    the_others_wait_for_the_smallest:
        new_node(2, vec![member(3), member(1), member(2)]), expecting(3);
    a_member_that_does_not_say_who_it_is_is_waited_for:
        new_node(1, vec![member(1), RingMember { id: None, ..member(2) }]);
    a_failed_member_may_have_founded_and_is_waited_for:
        but(new_node(1, vec![member(1), failed(member(2))]), |o| {
            o.ring.as_mut().unwrap().quiet_ms = 299_999;
        });
    after_the_grace_time_a_failed_member_is_waited_for_no_longer:
        but(new_node(1, vec![member(1), failed(member(2))]), |o| {
            o.ring.as_mut().unwrap().quiet_ms = 300_000;
        });
    a_member_that_left_is_not_waited_for:
        new_node(1, vec![member(1), RingMember { status: MemberStatus::Left, ..manager(2) }]);
    a_cluster_that_does_not_answer_blocks_founding:
        new_node(1, vec![member(1), failed(manager(2))]);
    a_newcomer_enrols_with_those_that_hold_the_ca_key:
        new_node(1, vec![member(1), manager(3), open(2), manager(4)]);
    a_newcomer_waits_for_a_member_that_holds_the_ca_key:
        new_node(1, vec![member(1), open(2), failed(manager(3))]);
    of_two_clusters_the_larger_one_is_joined:
        new_node(1, vec![
            member(1),
            RingMember { cluster: Some(ashlar_cluster::ClusterId("aaaa".into())), ..manager(2) },
            manager(3),
            open(4),
        ]);
    a_copied_node_does_nothing:
        new_node(1, vec![member(1), RingMember { name: "ashlar-copy".into(), ..member(1) }]);
    a_founder_shows_its_cluster_and_starts_its_daemons: certified(1, true, vec![member(1), member(2)]);
    a_founder_without_a_certificate_signs_itself_one:
        but(certified(1, true, vec![manager(1)]), |o| o.pki.certificate = false);
    a_member_whose_certificate_expired_enrols_again:
        but(certified(2, false, vec![manager(1), open(2)]), |o| o.pki.certificate = false);
    a_due_certificate_is_renewed_by_a_member_with_the_ca_key:
        but(settled(4, 4), |o| o.pki.renewal_due = true);
    a_manager_fetches_the_ca_key: but(settled(2, 3), |o| o.pki.ca_key = false);
    the_founder_brings_open_members_into_the_pool:
        but(founder(vec![open(2), open(3)]), |o| o.storage.as_mut().unwrap().peers.clear());
    the_founder_creates_the_volume_with_all_at_once: founder(vec![open(2), open(3)]);
    the_founder_waits_a_moment_for_a_node_on_its_way:
        but(founder(vec![open(2), member(3)]), |o| o.ring.as_mut().unwrap().quiet_ms = 29_999);
    the_founder_does_not_wait_for_ever: founder(vec![open(2), member(3)]);
    no_volume_is_made_while_a_fourth_is_half_way_into_the_pool:
        but(founder(vec![open(2), open(3), open(4)]), |o| {
            o.storage.as_mut().unwrap().peers[2].in_cluster = false;
            o.ring.as_mut().unwrap().quiet_ms = 29_999;
        });
    a_new_volume_gets_its_options_first:
        but(founder(vec![open(2)]), |o| {
            let volume = ashlar_cluster::Volume {
                started: false, tls: false, tuned: false, ..volume(&[1, 2])
            };
            o.storage.as_mut().unwrap().volume = Some(volume);
        });
    a_volume_without_tls_is_not_started:
        but(founder(vec![]), |o| {
            let volume = ashlar_cluster::Volume { started: false, tls: false, ..volume(&[1]) };
            o.storage.as_mut().unwrap().volume = Some(volume);
        });
    a_volume_with_options_is_started:
        but(founder(vec![open(2)]), |o| {
            let volume = ashlar_cluster::Volume { started: false, ..volume(&[1, 2]) };
            o.storage.as_mut().unwrap().volume = Some(volume);
        });
    a_started_volume_is_mounted:
        but(founder(vec![]), |o| o.storage.as_mut().unwrap().volume = Some(volume(&[1])));
    a_founder_with_storage_starts_the_swarm:
        but(founder(vec![]), |o| {
            o.storage.as_mut().unwrap().volume = Some(volume(&[1]));
            o.mounted = true;
        });
    power_failed_before_the_swarm_was_on_record:
        but(settled(1, 1), |o| o.membership.as_mut().unwrap().swarm = false);
    a_member_waits_for_its_brick:
        but(certified(2, false, vec![manager(1), open(2)]), |o| {
            let storage = settled(2, 2).storage.unwrap();
            o.storage = Some(storage);
            *volume_of(o) = volume(&[1]);
            o.swarm = Some(ashlar_cluster::Swarm::default());
        });
    the_leader_adds_one_brick_at_a_time: but(settled(1, 3), |o| *volume_of(o) = volume(&[1]));
    no_brick_is_added_while_entries_heal:
        but(settled(1, 3), |o| {
            *volume_of(o) = volume(&[1, 2]);
            volume_of(o).pending_heals = Some(4);
        });
    a_fourth_node_mounts_as_a_client: but(settled(4, 4), |o| o.mounted = false);
    a_member_joins_as_manager_while_managers_are_few:
        but(settled(3, 3), |o| {
            *swarm_of(o) = ashlar_cluster::Swarm::default();
            o.membership.as_mut().unwrap().swarm = false;
            o.ring.as_mut().unwrap().members[2] = open(3);
        });
    the_second_of_two_joins_as_worker:
        but(settled(2, 2), |o| {
            *swarm_of(o) = ashlar_cluster::Swarm::default();
            o.membership.as_mut().unwrap().swarm = false;
            o.ring.as_mut().unwrap().members[1] = open(2);
        });
    with_a_third_node_the_leader_promotes_the_second:
        but(settled(1, 3), |o| {
            swarm_of(o).nodes[1].manager = false;
            swarm_of(o).nodes[1].reachable = false;
        });
    a_node_on_its_way_may_become_a_manager_itself:
        but(settled(1, 4), |o| {
            o.ring.as_mut().unwrap().quiet_ms = 59_999;
            swarm_of(o).nodes.pop();
            swarm_of(o).nodes[2].manager = false;
            o.ring.as_mut().unwrap().members[3] = open(4);
        });
    four_managers_are_one_too_many:
        but(settled(1, 4), |o| {
            swarm_of(o).nodes[3].manager = true;
            swarm_of(o).nodes[3].reachable = true;
        });
    roles_rest_while_a_manager_is_unreachable:
        but(settled(1, 4), |o| {
            swarm_of(o).nodes[3].manager = true;
        });
    a_manager_that_is_lost_for_the_grace_time_makes_room_for_another:
        but(settled(1, 4), |o| lose(o, 3));
    a_manager_that_is_lost_is_waited_for_meanwhile:
        but(settled(1, 4), |o| {
            lose(o, 3);
            o.ring.as_mut().unwrap().quiet_ms = 299_999;
        });
    a_lost_manager_that_nobody_could_replace_keeps_its_place: but(settled(1, 3), |o| lose(o, 3));
    the_leader_deploys_missing_stacks:
        but(settled(1, 3), |o| swarm_of(o).stacks = vec![stack("portal")]), shipping(&["portal", "till"]);
    a_half_deployed_stack_is_deployed_again:
        but(settled(1, 3), |o| {
            swarm_of(o).stacks = vec![ashlar_cluster::Stack { services: 1, ..stack("portal") }];
        }), shipping(&["portal"]);
    a_stack_whose_deployment_was_cut_is_deployed_again:
        but(settled(1, 3), |o| {
            swarm_of(o).stacks = vec![ashlar_cluster::Stack { digest: None, ..stack("portal") }];
        }), shipping(&["portal"]);
    a_stack_of_other_content_is_deployed_again:
        but(settled(1, 3), |o| {
            let digest = Some("old".into());
            swarm_of(o).stacks = vec![ashlar_cluster::Stack { digest, ..stack("portal") }];
        }), shipping(&["portal"]);
    a_stack_that_no_recipe_ships_any_more_is_removed:
        but(settled(1, 3), |o| swarm_of(o).stacks = vec![stack("portal"), stack("till")]),
        shipping(&["till"]);
    a_stack_whose_tasks_do_not_run_is_an_alert:
        but(settled(1, 3), |o| {
            swarm_of(o).stacks = vec![ashlar_cluster::Stack { running: 0, ..stack("portal") }];
        }), shipping(&["portal"]);
    two_copies_get_a_witness: but(witnessed(1), |o| *volume_of(o) = volume(&[1, 2]));
    a_witness_waits_until_both_copies_are_whole:
        but(witnessed(1), |o| {
            *volume_of(o) = volume(&[1, 2]);
            volume_of(o).pending_heals = Some(7);
        });
    a_witness_founds_nothing:
        but(new_node(1, vec![member(1)]), |o| {
            show_witness(o, 1);
            o.place.carrier_ms = Some(600_000);
        });
    nobody_waits_for_a_witness_to_found:
        but(new_node(2, vec![member(1), member(2)]), |o| show_witness(o, 1));
    a_witness_gets_no_tasks:
        but(witnessed(1), |o| swarm_of(o).nodes[2].availability = ashlar_cluster::Availability::Active);
    a_box_that_is_no_witness_any_more_gets_tasks:
        but(settled(1, 3), |o| swarm_of(o).nodes[2].availability = ashlar_cluster::Availability::Voting);
    a_third_copy_takes_the_place_of_the_witness:
        but(settled(1, 4), |o| {
            show_witness(o, 3);
            volume_of(o).bricks[2].arbiter = true;
            swarm_of(o).nodes[2].availability = ashlar_cluster::Availability::Voting;
        });
    without_a_swarm_a_third_copy_takes_the_place_of_the_witness_too:
        but(settled(1, 4), |o| {
            show_witness(o, 3);
            volume_of(o).bricks[2].arbiter = true;
            o.swarm = None;
        }), Wanted { swarm: false, ..Wanted::default() };
    who_goes_is_known_before_a_third_copy_takes_the_place_of_the_witness:
        but(settled(1, 4), |o| {
            show_witness(o, 3);
            volume_of(o).bricks[2].arbiter = true;
            swarm_of(o).record = ashlar_cluster::Record::Unknown;
        });
    a_settled_witness_does_nothing: witnessed(3);
    beside_a_witness_the_second_of_two_goes_on_without_the_first: without_the_first(witnessed(2));
    a_copy_that_missed_what_the_witness_saw_waits:
        but(without_the_first(witnessed(2)), |o| volume_of(o).behind = Some([address(2)].into()));
    a_witness_that_is_taken_out_leaves_two_copies:
        but(witnessed(1), |o| intent_of(o).boxes.get_mut(&id(3)).unwrap().remove = true);
    a_witness_is_no_part_of_a_second_set:
        but(settled(1, 6), |o| show_witness(o, 6));
    beside_a_witness_three_boxes_with_data_become_a_second_set:
        but(settled(1, 7), |o| show_witness(o, 4));
    a_witness_is_no_spare_for_a_lost_box_of_two_sets:
        but(two_sets(1, 7), |o| {
            show_witness(o, 7);
            retire(o, 5);
        });
    while_a_witness_stands_for_a_third_copy_no_set_is_added:
        but(settled(1, 7), |o| {
            show_witness(o, 3);
            volume_of(o).bricks[2].arbiter = true;
        });
    with_the_second_of_two_goes_the_witness_s_brick:
        but(witnessed(1), |o| intent_of(o).boxes.get_mut(&id(2)).unwrap().remove = true);
    of_two_boxes_the_one_with_the_first_copy_manages:
        but(settled(1, 2), |o| *volume_of(o) = volume(&[2, 1]));
    of_two_managers_the_one_without_the_first_copy_goes:
        but(settled(1, 2), |o| {
            *volume_of(o) = volume(&[2, 1]);
            both_manage(o);
        });
    the_first_of_two_that_is_switched_off_lets_the_other_one_manage:
        but(settled(1, 2), |o| {
            o.goes_down = true;
            o.ring.as_mut().unwrap().members[0].hand = Some(Hand::Over);
        });
    the_first_of_two_that_is_switched_off_hands_over_when_all_is_whole: going_down();
    a_box_of_two_that_is_switched_off_waits_until_all_is_healed:
        but(going_down(), |o| volume_of(o).pending_heals = Some(7));
    a_box_of_three_that_is_switched_off_hands_nothing_over:
        but(settled(1, 3), |o| {
            o.goes_down = true;
            o.ring.as_mut().unwrap().members[0].hand = Some(Hand::Over);
        });
    the_second_of_two_goes_on_alone_when_a_person_says_so: told_alone();
    the_second_of_two_leads_alone_when_the_volume_is_its_own:
        but(told_alone(), |o| {
            *volume_of(o) = volume(&[2]);
            o.storage.as_mut().unwrap().peers.clear();
        });
    the_second_of_two_forgets_what_a_person_said_before_it_lost_power:
        but(told_alone(), |o| o.said_since_boot = false);
    the_first_of_two_looks_for_the_second_before_it_goes_on: looks_for_the_second();
    the_first_of_two_yields_to_the_second_that_went_on_without_it:
        but(looks_for_the_second(), |o| {
            let members = &mut o.ring.as_mut().unwrap().members;
            members[1].status = MemberStatus::Alive;
            members[1].left = members[0].id.clone();
        });
    the_second_of_two_goes_on_when_the_first_handed_over:
        without_the_first(handed_over(2));
    the_first_of_two_is_not_served_before_the_second_is_seen:
        but(handed_over(1), |o| {
            let other = &mut o.ring.as_mut().unwrap().members[1];
            *other = failed(other.clone());
            o.storage.as_mut().unwrap().peers[0].connected = false;
            volume_of(o).bricks[1].online = false;
            volume_of(o).pending_heals = None;
        });
    the_first_of_two_waits_for_its_turn_while_it_heals:
        but(handed_over(1), |o| volume_of(o).pending_heals = Some(7));
    the_second_of_two_gives_the_turn_back_when_the_first_is_whole: handed_over(2);
    a_hand_over_of_which_nobody_heard_is_taken_back:
        but(handed_over(2), |o| volume_of(o).turn = 0);
    the_first_of_two_that_has_its_turn_back_mounts_the_volume:
        but(handed_over(1), |o| volume_of(o).turn = 2);
    the_second_of_two_is_not_ready_without_the_first:
        but(settled(2, 2), |o| {
            let dead = &mut o.ring.as_mut().unwrap().members[0];
            *dead = failed(dead.clone());
            let storage = o.storage.as_mut().unwrap();
            storage.peers[0].connected = false;
            volume_of(o).bricks[0].online = false;
            volume_of(o).pending_heals = None;
        });
    the_first_of_two_carries_on_without_the_second:
        but(settled(1, 2), |o| {
            let dead = &mut o.ring.as_mut().unwrap().members[1];
            *dead = failed(dead.clone());
            o.storage.as_mut().unwrap().peers[0].connected = false;
            volume_of(o).bricks[1].online = false;
            volume_of(o).pending_heals = None;
            swarm_of(o).nodes[1].up = false;
        });
    a_worker_that_sees_too_few_managers_is_not_ready:
        but(settled(5, 5), |o| {
            for n in [0, 1] {
                let dead = &mut o.ring.as_mut().unwrap().members[n];
                *dead = failed(dead.clone());
            }
        });
    a_worker_whom_no_manager_answers_is_not_ready: but(settled(5, 5), |o| swarm_of(o).unheard_ms = 1);
    another_cluster_in_sight_ends_readiness:
        but(settled(1, 3), |o| {
            let cluster = Some(ClusterId("decaf".into()));
            o.ring.as_mut().unwrap().members.push(RingMember { cluster, ..manager(4) });
        });
    a_brick_that_died_on_a_living_node_is_started_again:
        but(settled(1, 3), |o| {
            volume_of(o).bricks[1].online = false;
            volume_of(o).pending_heals = None;
        });
    a_self_heal_daemon_that_died_is_started_again:
        but(settled(1, 3), |o| volume_of(o).healers_down = vec![address(3)]);
    a_storage_daemon_that_hangs_is_given_time: but(settled(2, 3), |o| hangs(o, Part::Storage, 59_999));
    a_storage_daemon_that_hangs_for_long_is_killed: but(settled(2, 3), |o| hangs(o, Part::Storage, 60_000));
    a_brick_that_runs_and_is_not_heard_is_not_started_again:
        but(settled(1, 3), |o| silent(o, 3));
    of_two_boxes_neither_holds_storage_while_the_first_brick_is_not_heard_by_the_second:
        but(settled(2, 2), |o| silent(o, 1));
    of_two_boxes_neither_holds_storage_while_the_first_brick_is_not_heard_by_the_first:
        but(settled(1, 2), |o| silent(o, 1));
    a_brick_that_hangs_is_given_time: but(settled(2, 3), |o| hangs(o, Part::Bricks, 59_999));
    a_brick_that_hangs_for_long_is_killed: but(settled(2, 3), |o| hangs(o, Part::Bricks, 60_000));
    an_engine_that_hangs_for_long_is_killed: but(settled(2, 3), |o| hangs(o, Part::Engine, 60_000));
    an_engine_without_its_files_is_not_killed:
        but(settled(2, 3), |o| {
            hangs(o, Part::Engine, 60_000);
            hangs(o, Part::Mount, 60_000);
        });
    a_mount_that_is_deaf_for_long_is_torn_away: but(settled(2, 3), |o| hangs(o, Part::Mount, 120_000));
    a_mount_that_cannot_answer_is_left_alone:
        but(settled(2, 3), |o| {
            hangs(o, Part::Mount, 500_000);
            volume_of(o).bricks[0].online = false;
            volume_of(o).bricks[2].online = false;
        });
    an_engine_that_does_not_get_into_the_swarm_leaves_and_joins_anew:
        but(settled(3, 3), |o| {
            *swarm_of(o) = ashlar_cluster::Swarm {
                local: SwarmLocal::Pending, limbo_ms: 120_000, ..ashlar_cluster::Swarm::default()
            };
        });
    the_last_one_in_a_broken_swarm_does_not_leave_it:
        but(settled(1, 1), |o| {
            *swarm_of(o) = ashlar_cluster::Swarm {
                local: SwarmLocal::Error, limbo_ms: 900_000, ..ashlar_cluster::Swarm::default()
            };
        });
    the_old_entry_of_a_manager_that_joined_anew_is_struck:
        but(settled(1, 3), |o| {
            let ghost = ashlar_cluster::SwarmNode {
                id: "ghost".into(), up: false, reachable: false, ..swarm_of(o).nodes[2].clone()
            };
            swarm_of(o).nodes[2].manager = false;
            swarm_of(o).nodes[2].reachable = false;
            swarm_of(o).nodes.push(ghost);
        });
    one_that_never_comes_holds_up_the_managers_for_a_while_only:
        but(settled(1, 4), |o| {
            swarm_of(o).nodes.pop();
            for node in [1, 2] {
                swarm_of(o).nodes[node].manager = false;
                swarm_of(o).nodes[node].reachable = false;
            }
            o.ring.as_mut().unwrap().members[3] = open(4);
        });
    a_disk_that_fills_is_an_alert:
        but(settled(1, 3), |o| {
            let disk = |name: &str, used_percent| Disk { name: name.into(), size: 4 << 30, used_percent };
            o.disks = vec![disk("state", 95), disk("data", 85)];
            o.long_logs = true;
        });
    one_full_data_partition_of_three_spares_readiness:
        but(settled(1, 3), |o| o.full = true);
    two_full_data_partitions_of_three_end_readiness:
        but(settled(1, 3), |o| {
            o.full = true;
            o.ring.as_mut().unwrap().members[2].full = true;
        });
    a_full_data_partition_of_the_first_of_two_ends_readiness:
        but(settled(2, 2), |o| o.ring.as_mut().unwrap().members[0].full = true);
    one_box_with_a_full_data_partition_is_not_ready: but(settled(1, 1), |o| o.full = true);
    a_clock_that_the_others_contradict_signs_nothing_and_says_so:
        but(settled(1, 3), |o| {
            o.clock = years_behind(&[2, 3]);
            o.pki.renewal_due = true;
        });
    a_clock_that_differs_from_the_others_is_told_of_by_them:
        but(settled(1, 3), |o| {
            o.clock.others = vec![
                OtherClock { name: name(2), ahead_s: 3, synchronised: false },
                OtherClock { name: name(3), ahead_s: -400_000, synchronised: false },
            ];
        });
    a_settled_leader_does_nothing: settled(1, 3);
    a_settled_worker_does_nothing: settled(5, 5);
    with_one_of_three_dead_the_others_stay_ready:
        but(settled(1, 3), |o| {
            let dead = &mut o.ring.as_mut().unwrap().members[2];
            *dead = failed(dead.clone());
            volume_of(o).bricks[2].online = false;
            volume_of(o).pending_heals = Some(12);
            let node = &mut swarm_of(o).nodes[2];
            (node.up, node.reachable) = (false, false);
        });
    a_manager_without_quorum_says_so:
        but(settled(2, 3), |o| swarm_of(o).nodes.clear());
    after_a_reboot_the_engine_waits_for_the_mount:
        but(settled(2, 3), |o| {
            o.mounted = false;
            o.swarm = None;
        });
    a_founder_that_lost_its_storage_state_creates_no_second_volume:
        but(settled(1, 3), |o| {
            o.storage = Some(ashlar_cluster::Storage::default());
            o.mounted = false;
        });
    a_founder_that_lost_its_swarm_state_joins_the_others:
        but(settled(1, 3), |o| {
            *swarm_of(o) = ashlar_cluster::Swarm::default();
            o.ring.as_mut().unwrap().members[0].swarm = None;
        });
    a_manager_that_the_swarm_takes_for_down_reports_anew:
        but(settled(2, 3), |o| {
            swarm_of(o).nodes[1].up = false;
            swarm_of(o).disowned_ms = 120_000;
        });
    a_worker_that_the_swarm_takes_for_down_reports_anew:
        but(settled(5, 5), |o| swarm_of(o).disowned_ms = 120_000);
    a_node_that_is_taken_for_down_waits_a_while:
        but(settled(2, 3), |o| {
            swarm_of(o).nodes[1].up = false;
            swarm_of(o).disowned_ms = 119_999;
        });
    a_manager_that_is_taken_for_down_stays_while_another_is_missing:
        but(settled(2, 3), |o| {
            swarm_of(o).nodes[1].up = false;
            swarm_of(o).nodes[2].reachable = false;
            swarm_of(o).disowned_ms = 600_000;
        });
    a_swarm_in_error_is_left_only_after_a_while: but(settled(2, 3), |o| {
        swarm_of(o).local = SwarmLocal::Error;
    });
    daemons_that_do_not_answer_keep_the_tags:
        but(settled(2, 3), |o| {
            o.storage = None;
            o.swarm = None;
            o.mounted = false;
        });
}

#[test]
fn three_nodes_from_power_on_to_ready() {
    let (report, broken) = Scenario::SimultaneousPowerOn.tell(3, 3);
    assert_eq!(broken, None);
    insta::assert_snapshot!(report.transcript.join("\n"));
}

#[test]
fn a_box_by_itself_says_when_another_is_in_its_cluster() {
    let wanted = Wanted { solo: true, ..Wanted::default() };
    let told = |observed: &Observed| {
        let alerts = alerts(observed, &wanted, Troubles::default());
        alerts.into_iter().any(|alert| alert.id == "not-alone")
    };
    assert!(told(&settled(1, 2)) && !told(&settled(1, 1)));
}
