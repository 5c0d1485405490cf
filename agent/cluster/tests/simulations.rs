//! Many nodes, many seeds. `ASHLAR_SIMULATE=50` plays fifty times as many.
#![allow(clippy::panic)] // A test may; clippy sees only functions marked so.

use ashlar_cluster::simulate::{Fault, Random, Scenario};

/// Plays the scenario with each number of nodes and that many seeds.
fn play(scenario: Scenario, runs: &[(usize, u64)]) {
    let times = std::env::var("ASHLAR_SIMULATE").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    for (nodes, seeds) in runs {
        for seed in 0..seeds * times {
            if let Err(failure) = scenario.play(*nodes, seed) {
                panic!("{} nodes, seed {seed}: {failure}", nodes);
            }
        }
    }
}

/// Most with three, some with fewer and with more.
const RUNS: &[(usize, u64)] = &[(1, 50), (2, 150), (3, 300), (4, 50), (5, 50), (7, 20)];

#[test]
fn simultaneous_power_on_of_three_forms_one_cluster() {
    play(Scenario::SimultaneousPowerOn, RUNS);
}

#[test]
fn any_boot_order_forms_one_cluster_though_steps_fail() {
    play(Scenario::AnyBootOrder, RUNS);
}

#[test]
fn with_expect_loss_failures_and_power_cuts_still_form_one_cluster() {
    play(Scenario::RoughWithExpect, RUNS);
}

#[test]
fn one_power_cut_at_any_step_is_survived_without_expect() {
    play(Scenario::OneCut, RUNS);
}

#[test]
fn a_founder_that_dies_before_its_swarm_resumes() {
    play(Scenario::FounderDies, RUNS);
}

#[test]
fn a_node_that_lost_power_while_joining_finishes_joining() {
    play(Scenario::JoinerDies, RUNS);
}

#[test]
fn reboot_of_all_three_returns_the_same_cluster() {
    play(Scenario::RebootOfAll, RUNS);
}

#[test]
fn one_dead_of_three_leaves_the_others_ready_and_returns() {
    play(Scenario::OneDead, RUNS);
}

#[test]
fn a_node_that_was_cut_off_comes_back() {
    play(Scenario::CutOff, RUNS);
}

#[test]
fn a_ring_parted_while_the_cluster_forms_still_forms_one() {
    play(Scenario::PartedWhileForming, RUNS);
}

#[test]
fn a_daemon_that_hangs_is_started_anew() {
    play(Scenario::DaemonHangs, RUNS);
}

#[test]
fn a_brick_that_dies_is_started_again() {
    play(Scenario::BrickDies, RUNS);
}

#[test]
fn a_box_that_lost_its_data_partition_is_given_its_files_back() {
    play(Scenario::DataLost, RUNS);
}

#[test]
fn an_emptied_brick_that_is_given_back_beside_a_copy_that_lacks_something_is_found() {
    let found = finds(Scenario::DataLost, Fault::EveryCopyIsWhole);
    assert!(found.iter().any(|why| why.contains("unknown to the bricks")), "{found:?}");
}

#[test]
fn a_box_whose_data_partition_broke_is_given_its_files_back() {
    play(Scenario::DataBroken, RUNS);
}

#[test]
fn an_emptied_brick_whose_renewal_is_cut_and_that_nobody_noted_is_found() {
    let found = finds(Scenario::DataLost, Fault::NobodyNotesTheRenewal);
    assert!(found.iter().any(|why| why.contains("nothing came of it")), "{found:?}");
}

#[test]
fn directories_that_boxes_made_at_once_become_one_again() {
    play(Scenario::DirectoriesTorn, RUNS);
}

#[test]
fn boxes_whose_disks_are_full_do_not_call_themselves_ready() {
    play(Scenario::DisksFill, RUNS);
}

#[test]
fn a_full_disk_that_nobody_tells_of_is_found() {
    let found = finds(Scenario::DisksFill, Fault::NobodySaysFull);
    assert!(found.iter().any(|why| why.contains("cannot write")), "{found:?}");
}

#[test]
fn agents_that_die_go_on_where_they_stood() {
    play(Scenario::AgentDies, RUNS);
}

#[test]
fn a_fresh_box_comes_in_after_another_died_for_good() {
    play(Scenario::DiesForGood, &[(3, 150), (4, 50), (5, 50), (7, 20)]);
}

#[test]
fn a_box_that_died_for_good_is_replaced_and_comes_back_as_another() {
    play(Scenario::Replaced, &[(3, 150), (4, 40), (5, 20)]);
}

#[test]
fn a_box_that_a_person_takes_out_is_emptied_first_and_stays_out() {
    play(Scenario::TakenOut, &[(1, 20), (2, 60), (3, 150), (4, 40), (5, 20)]);
}

#[test]
fn a_box_that_is_struck_off_is_shut_out_whether_it_obeys_or_not() {
    play(Scenario::Revoked, &[(1, 10), (2, 40), (3, 100), (4, 40)]);
}

#[test]
fn one_of_two_sets_that_is_struck_off_is_served_by_nobody_and_a_further_box_takes_its_place() {
    play(Scenario::Revoked, &[(5, 20), (6, 60), (7, 20)]);
}

#[test]
fn a_cluster_grows_by_sets_of_three_though_power_is_cut_meanwhile() {
    play(Scenario::Grows, &[(2, 20), (3, 20), (4, 20), (6, 100), (7, 40), (9, 40)]);
}

#[test]
fn a_witness_gives_its_brick_up_for_a_third_copy_and_is_in_no_further_set() {
    play(Scenario::WitnessGrows, &[(2, 10), (3, 20), (4, 30), (6, 30), (7, 40), (9, 20)]);
}

#[test]
fn a_witness_is_no_spare_for_a_box_of_two_sets() {
    play(Scenario::WitnessTakenOut, &[(7, 30)]);
}

#[test]
fn of_two_sets_a_spare_box_replaces_a_lost_one_and_without_one_its_place_is_kept() {
    play(Scenario::Replaced, &[(6, 30), (7, 20)]);
    play(Scenario::TakenOut, &[(6, 30), (7, 20)]);
}

#[test]
fn a_mount_that_would_never_hear_a_brick_again_is_found() {
    let find = |seed| Scenario::DaemonHangs.play_with(Fault::NeverConnectsAnew, 2, seed).err();
    let found: Vec<_> = (0..60).filter_map(find).collect();
    assert!(!found.is_empty(), "nothing is found");
}

#[test]
fn files_that_are_called_spread_and_are_not_are_found() {
    let find = |seed| Scenario::Grows.play_with(Fault::EveryFileMoved, 6, seed).err();
    let found: Vec<_> = (0..40).filter_map(find).collect();
    assert!(found.iter().any(|why| why.contains("are called spread")), "{found:?}");
}

#[test]
fn a_witness_settles_which_of_two_goes_on() {
    play(Scenario::Witness, &[(2, 60), (3, 200), (4, 40)]);
}

#[test]
fn of_two_boxes_one_that_is_switched_off_hands_over_and_yields_when_it_is_back() {
    play(Scenario::HandOver, &[(2, 400), (3, 20)]);
}

#[test]
fn of_two_boxes_the_first_that_handed_over_waits_for_whoever_went_on_and_says_so() {
    play(Scenario::HeirDies, &[(2, 200)]);
}

#[test]
fn of_two_boxes_the_second_goes_on_alone_when_a_person_says_so_and_the_first_yields() {
    play(Scenario::GoesOnAlone, &[(2, 600)]);
}

#[test]
fn what_would_let_an_old_copy_go_on_or_a_copy_that_is_behind_is_found() {
    for (fault, words) in [
        (Fault::EverybodyIsLetIn, "mixes its old copy"),
        (Fault::BehindGoesOn, "given up while 0 of 1"),
        (Fault::NobodyIsLookedFor, "goes on with its old copy"),
        (Fault::SeatStays, "kept where nobody needs it"),
    ] {
        let find = |seed| Scenario::GoesOnAlone.play_with(fault, 2, seed).err();
        let found: Vec<_> = (0..300).filter_map(find).collect();
        assert!(found.iter().any(|why| why.contains(words)), "{fault:?}: {found:?}");
    }
}

#[test]
fn a_hand_over_that_is_noted_last_is_found() {
    let find = |seed| Scenario::HandOver.play_with(Fault::NotedLast, 2, seed).err();
    let found: Vec<_> = (0..400).filter_map(find).collect();
    assert!(found.iter().any(|why| why.contains("are unknown to the bricks")), "{found:?}");
}

#[test]
fn a_turn_that_is_given_back_before_it_is_taken_is_found() {
    let find = |seed| Scenario::HandOver.play_with(Fault::TakenLast, 2, seed).err();
    let found: Vec<_> = (0..400).filter_map(find).collect();
    assert!(found.iter().any(|why| why.contains("are unknown to the bricks")), "{found:?}");
}

#[test]
fn a_witness_and_the_boxes_beside_it_are_replaced() {
    play(Scenario::WitnessReplaced, &[(3, 120)]);
}

#[test]
fn a_box_beside_a_witness_or_the_witness_is_taken_out() {
    play(Scenario::WitnessTakenOut, &[(2, 30), (3, 90), (4, 20)]);
}

#[test]
fn a_box_whose_power_fails_while_it_begins_anew_does_not_come_back_as_both() {
    let cut = [
        (Scenario::Replaced, 5, 198),
        (Scenario::Replaced, 8, 239),
        (Scenario::Replaced, 9, 104),
        (Scenario::WitnessReplaced, 3, 261),
    ];
    for (scenario, nodes, seed) in cut {
        scenario.play(nodes, seed).unwrap();
    }
}

#[test]
fn a_fresh_box_that_sees_nobody_waits_longer_than_the_others_are_off() {
    Scenario::Grows.play(5, 338).unwrap();
}

/// What is found when a copy that is not whole is taken for whole.
#[test]
fn a_copy_that_is_given_up_too_early_is_found() {
    let found = finds(Scenario::Replaced, Fault::EveryCopyIsWhole);
    assert!(found.iter().any(|why| why.contains("was given up while")), "{found:?}");
}

#[test]
fn a_box_that_nobody_tells_of_its_end_is_found() {
    for scenario in [Scenario::Replaced, Scenario::TakenOut] {
        let found = finds(scenario, Fault::NobodyIsTold);
        assert!(found.iter().any(|why| why.contains("nothing came of it")), "{found:?}");
    }
}

#[test]
fn a_box_that_is_ready_on_a_copy_that_missed_something_is_found() {
    let found = finds(Scenario::Witness, Fault::WitnessIsNotAsked);
    assert!(
        found.iter().any(|why| why.contains("it holds storage, and cannot write")),
        "{found:?}"
    );
}

#[test]
fn a_copy_that_is_moved_before_all_are_whole_is_found() {
    let found = finds(Scenario::TakenOut, Fault::HealIsOver);
    assert!(found.iter().any(|why| why.contains("was given up while")), "{found:?}");
}

fn finds(scenario: Scenario, fault: Fault) -> Vec<String> {
    (0..40).filter_map(|seed| scenario.play_with(fault, 3, seed).err()).collect()
}

#[test]
fn a_ring_key_is_replaced_over_boxes_that_are_away_and_strands_nobody() {
    play(Scenario::RingKey, &[(1, 30), (2, 80), (3, 200), (4, 50), (5, 50), (7, 20)]);
}

#[test]
fn a_ring_key_that_is_used_before_all_have_it_is_found() {
    let found = finds(Scenario::RingKey, Fault::EveryBoxHasTheKey);
    assert!(found.iter().any(|why| why.contains("the new key is used while")), "{found:?}");
}

#[test]
fn a_box_that_was_away_and_is_given_no_key_is_found() {
    let found = finds(Scenario::RingKey, Fault::NoKeyForWhoWasAway);
    assert!(found.iter().any(|why| why.contains("fetch the ring's new key from")), "{found:?}");
}

#[test]
fn a_ca_is_replaced_over_boxes_that_are_away_and_no_two_members_refuse_each_other() {
    play(Scenario::Ca, &[(1, 30), (2, 80), (3, 200), (4, 50), (5, 50), (7, 20)]);
}

#[test]
fn certificates_of_a_ca_that_not_all_trust_are_found() {
    let found = finds(Scenario::Ca, Fault::EveryBoxTrustsTheCa);
    let words = ["does not follow", "refuse each other"];
    assert!(found.iter().any(|why| words.iter().any(|w| why.contains(w))), "{found:?}");
}

#[test]
fn a_box_with_the_old_site_that_is_told_nothing_is_found_to_found_a_cluster_apart() {
    let found = finds(Scenario::RingKey, Fault::OldSiteGoesUnsaid);
    assert!(found.iter().any(|why| why.contains("one site has 2 clusters")), "{found:?}");
}

#[test]
fn clusters_that_were_founded_apart_become_one_and_lose_nothing() {
    play(Scenario::Meet, &[(2, 100), (3, 100), (4, 60), (5, 30), (6, 10)]);
}

#[test]
fn data_that_nobody_looked_for_is_found_to_be_set_aside() {
    let found = finds(Scenario::Meet, Fault::NobodyLooks);
    assert!(found.iter().any(|why| why.contains("data aside, and nobody asked")), "{found:?}");
}

#[test]
fn a_box_that_forgets_that_its_cluster_dissolves_is_found() {
    let find = |seed| Scenario::Meet.play_with(Fault::NobodyWritesDown, 4, seed).err();
    // It takes a cut in one of a hundred runs' moments.
    let mut found = (0..600).filter_map(find);
    assert!(found.any(|why| why.contains("nothing came of it")));
}

#[test]
fn clocks_that_are_years_off_are_set_by_the_others_and_sign_nothing_before() {
    play(Scenario::Clocks, RUNS);
}

#[test]
fn a_clock_that_signs_without_asking_the_others_is_found() {
    let find = |seed| Scenario::Clocks.play_with(Fault::BelievesItsClock, 3, seed).err();
    let found: Vec<_> = (0..50).filter_map(find).collect();
    assert!(found.iter().any(|why| why.contains("signed by a clock that is wrong")), "{found:?}");
}

#[test]
fn cables_that_come_late_and_a_slow_switch_still_form_one_cluster() {
    play(Scenario::LateCables, RUNS);
}

#[test]
fn those_who_are_left_when_the_founder_died_admit_newcomers() {
    play(Scenario::FounderGone, &[(3, 200), (4, 50), (5, 50)]);
}

#[test]
fn storage_without_a_swarm_is_led_by_the_founder() {
    play(Scenario::NoSwarm, RUNS);
}

#[test]
fn a_swarm_needs_no_storage() {
    play(Scenario::NoStorage, RUNS);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for (_, scenario) in Scenario::ALL {
        let (one, other) = (scenario.tell(3, 7).0, scenario.tell(3, 7).0);
        assert_eq!(one.transcript, other.transcript);
        assert_ne!(one.transcript, scenario.tell(3, 8).0.transcript);
    }
}

#[test]
fn chance_is_splitmix64() {
    // The first outputs of the reference implementation for seed 1234567.
    let mut random = Random::new(1_234_567);
    let expected =
        [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
    assert_eq!([random.next(), random.next(), random.next()], expected);
}
