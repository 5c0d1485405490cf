//! A page: what stands on a screen that was emptied for it, none of it out of sight.

/// The smallest screen there is: a serial terminal, a line less than the kernel's own.
const WIDTH: usize = 80;
const HEIGHT: usize = 24;
/// The heading with its blank line, and the line on which somebody types.
const TAKEN: usize = 3;

/// Where a disk stands in a list, and what is said of it.
const TITLE: &str = "  ";
const DETAIL: &str = "      ";
/// What goes on stands right of what it belongs to.
const GOES_ON: &str = "    ";

/// Something that is listed, with what is said of it.
#[derive(Debug)]
pub(crate) struct Listed {
    /// What it is typed as.
    pub(crate) name: String,
    /// In one line, its name first.
    pub(crate) title: String,
    /// What there is to say of it.
    pub(crate) details: Vec<String>,
}

/// A page in parts.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// What is said first.
    pub(crate) lead: String,
    /// What it is said of.
    pub(crate) list: Vec<Listed>,
    /// What is wrong with the answer that was given.
    pub(crate) complaint: String,
    /// What is said last: what to do.
    pub(crate) ask: String,
}

impl Page {
    /// One that lists nothing.
    pub(crate) fn of(lead: impl Into<String>, ask: impl Into<String>) -> Self {
        Self { lead: lead.into(), ask: ask.into(), ..Self::default() }
    }

    /// Its lines, no more than there is room for: of a list, what is said of each gives
    /// way first, then all but the names.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lead = wrapped(&self.lead, "", "");
        let end = [wrapped(&self.complaint, "", ""), wrapped(&self.ask, "", "")].concat();
        let room = (HEIGHT - TAKEN).saturating_sub(end.len());
        let list = self.listed(room.saturating_sub(lead.len()));
        lead.truncate(room.saturating_sub(list.len()));
        [lead, list, end].concat()
    }

    fn listed(&self, room: usize) -> Vec<String> {
        let most = self.list.iter().map(|one| one.details.len()).max().unwrap_or_default();
        let all = |most| self.list.iter().flat_map(|one| one.lines(most)).collect::<Vec<_>>();
        let fits = |lines: &Vec<String>| lines.len() <= room;
        (0..=most).rev().map(all).find(fits).unwrap_or_else(|| self.by_name(room))
    }

    /// As many of them as there is room for, and of the others the names alone.
    fn by_name(&self, room: usize) -> Vec<String> {
        let lines = |whole: usize| {
            let (shown, others) = self.list.split_at(whole);
            let names: Vec<_> = others.iter().map(|one| one.name.as_str()).collect();
            let names = format!("and {} more: {}", others.len(), names.join(" "));
            let shown = shown.iter().flat_map(|one| wrapped(&one.title, TITLE, GOES_ON));
            shown.chain(wrapped(&names, TITLE, GOES_ON)).collect::<Vec<_>>()
        };
        let fits = |lines: &Vec<String>| lines.len() <= room;
        let mut fewest = lines(0);
        fewest.truncate(room);
        (0..self.list.len()).rev().map(lines).find(fits).unwrap_or(fewest)
    }
}

impl Listed {
    /// With so many of its details, and how many others there are.
    fn lines(&self, most: usize) -> Vec<String> {
        let all = self.details.len();
        // One more takes no more room than to say that there is one.
        let shown = if all <= most + 1 { all } else { most };
        let detail = |text: &String| wrapped(text, DETAIL, GOES_ON);
        let mut lines = wrapped(&self.title, TITLE, GOES_ON);
        lines.extend(self.details.iter().take(shown).flat_map(detail));
        match (shown, all - shown) {
            (_, 0) => {}
            (0, all) => lines.push(format!("{DETAIL}{all} partitions are on it")),
            (_, more) => lines.push(format!("{DETAIL}and {more} more partitions")),
        }
        lines
    }
}

/// Text in lines that are no wider than the screen: each begins with `lead`, one that
/// goes on with `more` as well. What a disk says of itself moves no cursor.
pub(crate) fn wrapped(text: &str, lead: &str, more: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let clean = |c: char| if c.is_control() { '?' } else { c };
        let mut line = lead.to_owned();
        let mut bare = line.chars().count();
        for piece in paragraph.chars().map(clean).collect::<String>().split_inclusive(' ') {
            let taken = line.chars().count();
            if taken > bare && taken + piece.trim_end().chars().count() > WIDTH {
                lines.push(std::mem::replace(&mut line, format!("{lead}{more}")));
                bare = line.chars().count();
            }
            for c in piece.chars() {
                if line.chars().count() == WIDTH {
                    if c == ' ' {
                        continue;
                    }
                    lines.push(std::mem::replace(&mut line, format!("{lead}{more}")));
                    bare = line.chars().count();
                }
                line.push(c);
            }
        }
        lines.push(line);
    }
    lines.iter_mut().for_each(|line| line.truncate(line.trim_end().len()));
    lines
}

#[cfg(test)]
mod tests;
