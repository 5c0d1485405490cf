//! `ashlar new`: from nothing to a site, by questions.

mod answers;
mod cards;
mod questions;
mod told;

use crate::command::{profile, site};
use crate::context::Context;
use crate::output::Output;
use answers::{Answers, in_lines};
use ashlar_build::Project;
use cards::Card;
use miette::{IntoDiagnostic, miette};
use questions::Question;
use serde::Serialize;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Choose what boxes are for, and make the site of their cluster, by questions.
///
///   ashlar new
///   ashlar new --answers shop.toml
///
/// Each answer is checked when it is given. `<` goes back to the question before,
/// `?` explains, Enter takes what stands in brackets. Nothing is made before the
/// last question. It ends with the commands that do the same, what to keep a copy
/// of, and where the stick goes.
///
/// A file of answers is TOML; what it leaves out is as if Enter were pressed, but
/// that a number of boxes which is not said is not known:
///
///   profile = "retail-metal"
///   site = "shop"
///   boxes = 3
///   network = "10.83.0.0/16"
///   dhcp = true
///   ssh-keys = ["admin.pub"]
///   pin-hash = "$argon2id$..."      # as `ashlar site pin` prints it
///   stacks = ["till.yml"]
///   hardware = ["wifi"]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Take the answers from this file, and ask nothing.
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
}

/// What `ashlar new --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct NewSite<'a> {
    /// The site.
    site: &'a str,
    /// The profile to build: the one that was chosen, or one of its own that extends it.
    profile: &'a str,
    /// The recipe that was made, if it is one of its own.
    recipe: Option<PathBuf>,
    /// What to keep a copy of.
    back_up: Vec<PathBuf>,
    /// The commands that come next.
    commands: Vec<String>,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let project = context.project()?;
    let cards = cards::all(&project)?;
    let answers = match &args.answers {
        Some(file) => told::read(file, &cards, &project)?,
        None => {
            if !std::io::stdin().is_terminal() || context.output.is_json() {
                return Err(miette!(
                    help = "write them into a file: ashlar new --answers FILE",
                    "nobody is there to answer"
                ));
            }
            let (mut keys, mut screen) = (std::io::stdin().lock(), std::io::stderr());
            match ask(&mut keys, &mut screen, &cards, &project)? {
                Some(answers) => answers,
                None => {
                    context.output.note("nothing was made");
                    return Ok(ExitCode::FAILURE);
                }
            }
        }
    };
    let recipe = make(&answers, &project, &context.output)?;
    let steps = steps(&answers, &cards);
    for line in steps.iter().flat_map(|step| step.lines()) {
        context.output.line(line);
    }
    let back_up = site::back_up(&site::place(&project, &answers.site));
    context.output.line("\nKeep a copy of these, encrypted and somewhere else:");
    for file in &back_up {
        context.output.line(format_args!("  {}", file.display()));
    }
    let commands: Vec<_> = steps.iter().flat_map(|step| step.commands.clone()).collect();
    context.output.json(&NewSite {
        site: &answers.site,
        profile: answers.built(),
        recipe,
        back_up,
        commands,
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The recipe, if one is wanted, and the site: both or none.
fn make(answers: &Answers, project: &Project, output: &Output) -> miette::Result<Option<PathBuf>> {
    let Answers { site, profile, more, .. } = answers;
    let recipe = match more.is_empty() {
        true => None,
        false => Some(profile::new::begin(project, site, profile, None, more)?),
    };
    match site::create(&answers.site(), false, project, output) {
        Ok(_) => Ok(recipe),
        Err(error) => {
            if let Some(recipe) = &recipe {
                let _ = std::fs::remove_file(recipe);
            }
            Err(error)
        }
    }
}

/// Asks until a person has said yes; nothing if they said no, or left.
fn ask(
    keys: &mut impl BufRead,
    screen: &mut impl Write,
    cards: &[Card],
    project: &Project,
) -> miette::Result<Option<Answers>> {
    let mut answers = Answers::first(cards);
    let (mut at, mut again) = (0, false);
    writeln!(screen, "`<` goes back, `?` explains, Enter takes what stands in brackets.")
        .into_diagnostic()?;
    while let Some(question) = Question::ALL.get(at) {
        let said = question.said(&answers, cards);
        // What was explained or is wrong stands above the question, which was read by now.
        let before = if again { "" } else { &said.before };
        write!(screen, "\n{before}{} ", said.prompt).into_diagnostic()?;
        again = false;
        screen.flush().into_diagnostic()?;
        let mut line = String::new();
        if keys.read_line(&mut line).into_diagnostic()? == 0 {
            return Ok(None);
        }
        match line.trim() {
            "<" => at = at.saturating_sub(1),
            "?" => {
                writeln!(screen, "{}", question.explained(cards, project)).into_diagnostic()?;
                again = true;
            }
            "" if *question == Question::Sure => {
                writeln!(screen, "Please type yes or no.").into_diagnostic()?;
                again = true;
            }
            "" => at += 1,
            "no" | "n" if *question == Question::Sure => return Ok(None),
            text => match question.take(text, &mut answers, cards, project) {
                Ok(()) => at += 1,
                Err(why) => {
                    writeln!(screen, "{why}").into_diagnostic()?;
                    again = true;
                }
            },
        }
    }
    Ok(Some(answers))
}

/// What is typed next, and what for.
struct Step {
    why: String,
    commands: Vec<String>,
}

impl Step {
    fn lines(&self) -> Vec<String> {
        let commands = self.commands.iter().map(|command| in_lines(command));
        [String::new(), self.why.clone()].into_iter().chain(commands).collect()
    }
}

fn steps(answers: &Answers, cards: &[Card]) -> Vec<Step> {
    let Answers { site, boxes, .. } = answers;
    let profile = answers.built();
    let step = |why: &str, commands: &[String]| Step { why: why.into(), commands: commands.into() };
    let again = match answers.pin_hash {
        None => "The same without questions:",
        Some(_) => "The same without questions, but for the PIN:",
    };
    let again = step(again, &answers.commands());
    let pass = step(
        "For each person who asks the boxes from elsewhere, a pass:",
        &[format!("ashlar site admin {site} NAME")],
    );
    let build = format!("ashlar build --profile {profile}");
    let build = if answers.more.is_empty() {
        step("Build the image:", &[build])
    } else {
        step(
            "Write down which packages your profile takes, and build the image:",
            &[format!("ashlar lock {profile}"), build],
        )
    };
    let is_virtual = cards.iter().any(|card| card.name == answers.profile && card.is_virtual);
    let run = if is_virtual {
        let count = boxes.unwrap_or(1);
        step(
            "Start it in virtual machines:",
            &[format!("ashlar vm up --site {site} --profile {profile} -n {count}")],
        )
    } else {
        step(
            "Write a stick for each box, which stays in it and is its disk. With --installer\n\
             one stick installs any number of boxes, each started from it once:",
            &[format!("sudo ashlar flash /dev/sdX --site {site} --profile {profile}")],
        )
    };
    vec![again, pass, build, run]
}

#[cfg(test)]
mod tests;
