//! `ashlar new`: from nothing to a site, by questions.

mod answers;
mod cards;
mod questions;
mod told;

use crate::command::{profile, site};
use crate::context::Context;
use crate::output::Output;
use answers::Answers;
use ashlar_build::Project;
use ashlar_site::Site;
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
    let (recipe, made) = make(&answers, &project, &context.output)?;
    // Its object would be a second one.
    if !context.output.is_json() {
        site::show(&made, &site::place(&project, &made.name), &context.output)?;
    }
    let steps = steps(&answers, &cards);
    for line in steps.iter().flat_map(|step| step.lines()) {
        context.output.line(line);
    }
    let commands: Vec<_> = steps.iter().flat_map(|step| step.commands.clone()).collect();
    context.output.json(&NewSite {
        site: &answers.site,
        profile: answers.built(),
        recipe,
        back_up: site::back_up(&site::place(&project, &answers.site)),
        commands,
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The recipe, if one is wanted, and the site: both or none.
fn make(
    answers: &Answers,
    project: &Project,
    output: &Output,
) -> miette::Result<(Option<PathBuf>, Site)> {
    let Answers { site, profile, more, .. } = answers;
    let recipe = match more.is_empty() {
        true => None,
        false => Some(profile::new::begin(project, site, profile, None, more)?),
    };
    match site::create(&answers.site(), false, project, output) {
        Ok(made) => Ok((recipe, made)),
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
    let mut at = 0;
    writeln!(screen, "`<` goes back, `?` explains, Enter takes what stands in brackets.")
        .into_diagnostic()?;
    while let Some(question) = Question::ALL.get(at) {
        let said = question.said(&answers, cards);
        write!(screen, "\n{}{} ", said.before, said.prompt).into_diagnostic()?;
        screen.flush().into_diagnostic()?;
        let mut line = String::new();
        if keys.read_line(&mut line).into_diagnostic()? == 0 {
            return Ok(None);
        }
        match line.trim() {
            "<" => at = at.saturating_sub(1),
            "?" => {
                writeln!(screen, "{}", question.explained(cards, project)).into_diagnostic()?;
            }
            "" if *question == Question::Sure => {
                writeln!(screen, "Please type yes or no.").into_diagnostic()?;
            }
            "" => at += 1,
            "no" | "n" if *question == Question::Sure => return Ok(None),
            text => match question.take(text, &mut answers, cards, project) {
                Ok(()) => at += 1,
                Err(why) => writeln!(screen, "{why}").into_diagnostic()?,
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
        let commands = self.commands.iter().map(|command| format!("  {command}"));
        [String::new(), self.why.clone()].into_iter().chain(commands).collect()
    }
}

fn steps(answers: &Answers, cards: &[Card]) -> Vec<Step> {
    let Answers { site, boxes, .. } = answers;
    let profile = answers.built();
    let step = |why: &str, commands: &[String]| Step { why: why.into(), commands: commands.into() };
    let again = step("The same without questions:", &answers.commands());
    let lock = (!answers.more.is_empty()).then(|| {
        step("Write down which packages your profile takes:", &[format!("ashlar lock {profile}")])
    });
    let pin = step(
        "For a PIN on the boxes' own screens, put what this prints into the site's file:",
        &["ashlar site pin".into()],
    );
    let build = step("Build the image:", &[format!("ashlar build --profile {profile}")]);
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
    [Some(again), Some(pin), lock, Some(build), Some(run)].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
