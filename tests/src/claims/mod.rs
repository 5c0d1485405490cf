//! What a cluster of three is claimed to do, the same in VMs and in the lab:
//! each function is one claim, and fails with what it saw instead.

mod enrolment;
mod power;
mod ring;
mod secrets;
mod storage;
mod surface;
mod swarm;

pub use enrolment::{enrolment_is_by_the_sites_key, enrolment_with_another_key_is_refused};
pub use power::{
    a_power_cut_of_all_leaves_the_same_cluster, a_reboot_leaves_the_same_cluster,
    the_loss_of_one_is_survived_and_healed,
};
pub use ring::{
    an_outsider_is_refused, an_outsider_with_another_key_is_refused, the_ring_has_everybody_alive,
};
pub use secrets::{
    a_bundle_holds_no_secret, secrets_are_for_root_only, secrets_are_not_in_journal_or_arguments,
};
pub use storage::{
    a_file_is_read_on_every_node, the_volume_has_three_copies_and_tls,
    what_another_box_wrote_over_files_is_read,
};
pub use surface::{no_unit_has_failed, nobody_listens_but_ours};
pub use swarm::{
    Service, a_manager, a_service_runs_once_on_each_node, everybody_is_a_reachable_manager,
};
