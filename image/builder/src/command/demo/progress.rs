//! The nodes' way, drawn for who watches and written line by line for a log.

use crate::output::Output;
use ashlar_machine::{NodeReport, NodeTimes};
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::{Mutex, PoisonError};

/// One line a node.
pub(crate) struct Progress<'a> {
    output: &'a Output,
    nodes: Mutex<Vec<Line>>,
}

struct Line {
    node: String,
    bar: ProgressBar,
    /// How many milestones were already written to the log.
    told: usize,
}

impl<'a> Progress<'a> {
    /// Before anything is known.
    pub(crate) fn new(output: &'a Output, names: &[String]) -> Self {
        let line = |node: &String| {
            let bar = output.spinner(node);
            if let Ok(style) = ProgressStyle::with_template("  {spinner} {wide_msg}") {
                bar.set_style(style);
            }
            Line { node: node.clone(), bar, told: 0 }
        };
        Self { output, nodes: Mutex::new(names.iter().map(line).collect()) }
    }

    /// What was seen of a node just now.
    pub(crate) fn show(&self, report: &NodeReport) {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(line) = nodes.iter_mut().find(|line| line.node == report.node) else { return };
        let passed = milestones(&report.times);
        let name = report.name.as_deref().unwrap_or(&report.node);
        if self.output.is_watched() {
            let steps: Vec<String> =
                passed.iter().map(|(phase, seconds)| format!("{phase} {seconds:.0} s")).collect();
            line.bar.set_message(format!("{name}  {}  {}", steps.join(" · "), report.doing));
            return;
        }
        for (phase, seconds) in passed.iter().skip(line.told) {
            self.output.event(format_args!("{seconds:6.1} s  {name}  {phase}"));
        }
        line.told = line.told.max(passed.len());
    }

    /// Leaves the last state on the screen.
    pub(crate) fn finish(&self) {
        for line in self.nodes.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            line.bar.abandon();
        }
    }
}

/// The phases that a node has passed, in the order of their times.
fn milestones(times: &NodeTimes) -> Vec<(&'static str, f64)> {
    let all = [
        ("kernel", times.kernel),
        ("agent", times.agent),
        ("ring", times.ring),
        ("pki", times.pki),
        ("storage", times.storage),
        ("swarm", times.swarm),
        ("ready", times.ready),
    ];
    let mut passed: Vec<_> =
        all.into_iter().filter_map(|(phase, seconds)| Some((phase, seconds?))).collect();
    passed.sort_by(|a, b| a.1.total_cmp(&b.1));
    passed
}

#[cfg(test)]
mod tests {
    use super::{NodeTimes, milestones};

    #[test]
    fn phases_come_in_the_order_in_which_they_were_passed() {
        let times = NodeTimes {
            kernel: Some(9.0),
            agent: Some(30.0),
            swarm: Some(60.0),
            storage: Some(80.0),
            ..NodeTimes::default()
        };
        let names: Vec<_> = milestones(&times).into_iter().map(|(phase, _)| phase).collect();
        assert_eq!(names, ["kernel", "agent", "swarm", "storage"]);
    }
}
