//! What is known, and what the person in front of the box is looking at. Pure: news,
//! keys and the time in; a frame and questions to the agent out.

use crate::code;
use crate::dialog::{Dialog, Key, Next};
use crate::feed::{Ask, News};
use crate::healing::Healing;
use crate::known::Known;
use crate::page::Page;
use crate::screen::Screen;
use crate::scroll::Scroll;
use crate::verdict::{Word, verdict};
use ashlar_api::{Event, Hardware, Network, Status};
use std::time::{Duration, Instant};

/// How long after the last key the screen goes dark,
const SAVER: Duration = Duration::from_secs(10 * 60);

/// and a question that nobody answers is taken back.
const PATIENCE: Duration = Duration::from_secs(2 * 60);

/// How often the journal is read anew while it is looked at.
const LOGS_EVERY: Duration = Duration::from_secs(3);

/// How often it is asked how a change of the network stands: as its seconds go down.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// How many lines Page up and Page down turn.
const LEAF: usize = 10;

/// What is known and looked at.
#[derive(Debug)]
pub(crate) struct Model {
    status: Option<Status>,
    /// Why the agent does not answer, and since when.
    silent: Option<(Instant, String)>,
    network: Option<Network>,
    hardware: Option<Hardware>,
    history: Vec<Event>,
    logs: Option<Result<Vec<String>, String>>,
    logs_asked: Option<Instant>,
    /// When it was last asked how a change of the network stands.
    watched: Option<Instant>,
    healing: Option<Healing>,
    page: Page,
    scroll: Scroll,
    dialog: Option<Dialog>,
    /// When a key was last pressed, or something happened that wakes the screen.
    awake: Instant,
    /// The word that was last shown.
    word: Option<Word>,
    can_quit: bool,
    /// Where the book is.
    book: Option<String>,
}

/// What a key of the keyboard leads to.
#[derive(Debug, Default)]
pub(crate) struct Press {
    /// The program ends.
    pub(crate) quit: bool,
    /// What the agent is asked.
    pub(crate) ask: Option<Ask>,
}

/// A key of the keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Button {
    Letter(char),
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Escape,
    Erase,
    Other,
}

impl Model {
    pub(crate) fn new(can_quit: bool, now: Instant) -> Self {
        Self {
            status: None,
            silent: None,
            network: None,
            hardware: None,
            history: Vec::new(),
            logs: None,
            logs_asked: None,
            watched: None,
            healing: None,
            page: Page::default(),
            scroll: Scroll::default(),
            dialog: None,
            awake: now,
            word: None,
            can_quit,
            book: None,
        }
    }

    /// The same, of an image that says where its book is.
    pub(crate) fn with_book(self, book: Option<String>) -> Self {
        Self { book, ..self }
    }

    /// The pages of the book about what is wrong.
    fn pages(&self) -> Vec<(String, String)> {
        let alerts = self.status.iter().flat_map(|status| &status.alerts);
        let alerts: Vec<_> = alerts.cloned().collect();
        self.book.as_deref().map_or_else(Vec::new, |book| code::pages(book, &alerts))
    }

    /// The other one of two boxes is gone, and this one can do without.
    fn could_go_on_alone(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status.could_go_on_without.is_some())
    }

    /// Something came.
    pub(crate) fn hear(&mut self, news: News, now: Instant) {
        match news {
            News::Status(Ok(status)) => {
                let pending = status.storage.as_ref().and_then(|s| s.pending_heals);
                self.healing = Healing::note(self.healing, pending, now);
                self.status = Some(*status);
                self.silent = None;
            }
            News::Status(Err(why)) => {
                let since = self.silent.take().map_or(now, |(since, _)| since);
                self.silent = Some((since, why));
            }
            News::Network(network) => self.network = Some(network),
            News::Hardware(hardware) => self.hardware = Some(hardware),
            News::History(history) => self.history = history,
            News::Logs(logs) => self.logs = Some(logs),
            News::Reply(reply) => {
                let own = self.status.as_ref().and_then(|s| s.identity.as_ref());
                let own = own.map(|me| me.name.clone());
                if let Some(dialog) = self.dialog.take() {
                    let watched = dialog.watches().is_some();
                    self.dialog = dialog.hear(reply, own.as_deref()).dialog;
                    // Whoever waited for it is to read what became of it.
                    if watched && self.dialog.as_ref().is_some_and(|d| d.watches().is_none()) {
                        self.awake = now;
                    }
                }
            }
        }
    }

    /// Time passed; returns what is asked because of it.
    pub(crate) fn tick(&mut self, now: Instant) -> Option<Ask> {
        let word = verdict(self.status.as_ref(), self.silent_for(now)).word;
        // Whoever is near must see when it gets worse, and that it got better.
        if self.word.is_some_and(|before| before != word) {
            self.awake = now;
        }
        self.word = Some(word);
        let watched = self.dialog.as_ref().and_then(Dialog::watches);
        let waits = !matches!(
            self.dialog,
            None | Some(Dialog::Doing(_) | Dialog::Begun(_) | Dialog::Done(_))
        ) && watched.is_none();
        if waits && now.duration_since(self.awake) >= PATIENCE {
            self.dialog = None;
        }
        let every = self.watched.is_none_or(|at| now.duration_since(at) >= WATCH_EVERY);
        if let Some(ask) = watched.filter(|_| every) {
            self.watched = Some(now);
            return Some(ask);
        }
        let due = self.logs_asked.is_none_or(|at| now.duration_since(at) >= LOGS_EVERY);
        if self.page == Page::Logs && due && !self.is_dark(now) {
            self.logs_asked = Some(now);
            return Some(Ask::Logs);
        }
        None
    }

    /// A key was pressed.
    pub(crate) fn press(&mut self, button: Button, now: Instant) -> Press {
        let was_dark = self.is_dark(now);
        self.awake = now;
        if was_dark {
            return Press::default();
        }
        if let Some(dialog) = self.dialog.take() {
            let Some(key) = key(button) else {
                self.dialog = Some(dialog);
                return Press::default();
            };
            let Next { dialog, ask } = dialog.press(key);
            self.dialog = dialog;
            return Press { quit: false, ask };
        }
        match button {
            Button::Letter('q') => return Press { quit: self.can_quit, ask: None },
            Button::Letter('a') => {
                self.dialog = Some(Dialog::open(self.silent.is_some(), self.could_go_on_alone()))
            }
            Button::Letter('c') => {
                let pages = self.pages();
                self.dialog = (!pages.is_empty()).then_some(Dialog::Code { pages, at: 0 });
            }
            Button::Letter(c @ '1'..='7') => {
                let at = c.to_digit(10).unwrap_or(1) as usize - 1;
                self.open(Page::ALL[at]);
            }
            Button::Right => self.open(self.page.turned(1)),
            Button::Left => self.open(self.page.turned(Page::ALL.len() - 1)),
            Button::Escape => self.open(Page::Home),
            Button::Down => self.scroll.turn(|first| first + 1),
            Button::Up => self.scroll.turn(|first| first.saturating_sub(1)),
            Button::PageDown => self.scroll.turn(|first| first + LEAF),
            Button::PageUp => self.scroll.turn(|first| first.saturating_sub(LEAF)),
            Button::Home => self.scroll.turn(|_| 0),
            Button::End => self.scroll.at_end = true,
            Button::Letter(_) | Button::Enter | Button::Erase | Button::Other => {}
        }
        // The journal is followed for as long as its end is on the screen.
        if self.page == Page::Logs && self.scroll.first >= self.scroll.most.get() {
            self.scroll.at_end |= matches!(button, Button::Down | Button::PageDown);
        }
        Press { quit: false, ask: self.tick(now) }
    }

    pub(crate) fn open(&mut self, page: Page) {
        self.page = page;
        self.scroll = Scroll { at_end: page == Page::Logs, ..Scroll::default() };
        self.logs_asked = None;
    }

    fn is_dark(&self, now: Instant) -> bool {
        now.duration_since(self.awake) >= SAVER
    }

    fn silent_for(&self, now: Instant) -> Option<u64> {
        self.silent.as_ref().map(|(since, _)| now.duration_since(*since).as_secs())
    }

    /// The frame of this moment; `clock` is the time of day in words.
    pub(crate) fn screen<'a>(
        &'a self,
        now: Instant,
        clock: &'a str,
        heals_for: Option<&'a str>,
    ) -> Screen<'a> {
        let silent = self.silent_for(now);
        let dark = now.duration_since(self.awake);
        Screen {
            known: Known {
                status: self.status.as_ref(),
                silent: silent.zip(self.silent.as_ref().map(|(_, why)| why.as_str())),
                network: self.network.as_ref(),
                hardware: self.hardware.as_ref(),
                history: &self.history,
                logs: self.logs.as_ref(),
                heals_for,
                can_quit: self.can_quit,
                has_book: self.book.is_some(),
            },
            verdict: verdict(self.status.as_ref(), silent),
            clock,
            page: self.page,
            scroll: &self.scroll,
            dialog: self.dialog.as_ref(),
            dark: (dark >= SAVER).then_some(dark),
        }
    }

    /// How long the volume will heal, in words.
    pub(crate) fn heals_for(&self) -> Option<String> {
        self.healing.as_ref().and_then(Healing::rest)
    }
}

const fn key(button: Button) -> Option<Key> {
    Some(match button {
        Button::Letter(c) => Key::Letter(c),
        Button::Up => Key::Up,
        Button::Down => Key::Down,
        Button::Enter => Key::Enter,
        Button::Escape => Key::Escape,
        Button::Erase => Key::Erase,
        _ => return None,
    })
}
