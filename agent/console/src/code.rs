//! The address of an alert's page in the book, for the camera of a telephone.

use ashlar_api::{Alert, page_of};
use qrcode::{Color as Module, EcLevel, QrCode};
use ratatui::style::{Color, Style};
use ratatui::text::Line;

/// Light modules around the code: so many, says the standard; fewer, if there is no
/// room for them, still read.
const QUIET: [usize; 2] = [4, 2];

/// The pages of these alerts, each once, the worst first: title and address.
pub(crate) fn pages(book: &str, alerts: &[Alert]) -> Vec<(String, String)> {
    let mut pages: Vec<(String, String)> = Vec::new();
    for Alert { id, .. } in alerts {
        if pages.iter().all(|(known, _)| known != id) {
            pages.push((id.clone(), page_of(book, id)));
        }
    }
    pages
}

/// The code, two of its rows in a line: what is light is drawn, on black. None where it
/// has no room.
pub(crate) fn lines(address: &str, width: usize, height: usize) -> Option<Vec<Line<'static>>> {
    let code = QrCode::with_error_correction_level(address, EcLevel::L).ok()?;
    let size = code.width();
    let fits = |quiet: &usize| {
        let cells = size + 2 * quiet;
        cells <= width && cells.div_ceil(2) <= height
    };
    let quiet = QUIET.into_iter().find(fits)?;
    let cells = size + 2 * quiet;
    let is_light = |x: usize, y: usize| {
        let inside = |at: usize| at.checked_sub(quiet).filter(|at| *at < size);
        let (Some(x), Some(y)) = (inside(x), inside(y)) else { return y < cells };
        code[(x, y)] == Module::Light
    };
    let row = |y: usize| -> String {
        let cell = |x| match (is_light(x, y), is_light(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        };
        (0..cells).map(cell).collect()
    };
    let style = Style::new().fg(Color::White).bg(Color::Black);
    Some((0..cells).step_by(2).map(|y| Line::styled(row(y), style)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::alert;
    use ashlar_api::Severity;

    /// What a camera reads from these lines.
    fn read(lines: &[Line<'_>]) -> String {
        const LARGE: usize = 4;
        let rows: Vec<Vec<char>> =
            lines.iter().map(|line| line.to_string().chars().collect()).collect();
        let (width, height) = (rows[0].len(), rows.len() * 2);
        let mut image =
            rqrr::PreparedImage::prepare_from_greyscale(width * LARGE, height * LARGE, |x, y| {
                let (x, y) = (x / LARGE, y / LARGE);
                let lit = match rows[y / 2][x] {
                    '█' => true,
                    '▀' => y % 2 == 0,
                    '▄' => y % 2 == 1,
                    _ => false,
                };
                if lit { 255 } else { 0 }
            });
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        grids[0].decode().unwrap().1
    }

    #[test]
    fn a_telephone_reads_the_address_of_the_page_that_an_alert_has() {
        let alerts = ["first", "second", "third"].map(|words| alert(Severity::Warning, words));
        let pages = pages("https://docs.example.org/ashlar/", &alerts);
        let [(title, address)] = &pages[..] else { panic!("once: {pages:?}") };
        assert_eq!(title, "volume-read-only");
        for (width, height) in [(76, 21), (76, 19), (200, 60)] {
            let lines = lines(address, width, height).unwrap();
            assert!(lines.len() <= height && lines[0].width() <= width);
            assert_eq!(
                read(&lines),
                "https://docs.example.org/ashlar/reference/alerts.html#volume-read-only"
            );
        }
        assert_eq!(lines(address, 30, 60), None);
        assert_eq!(lines(address, 76, 12), None);
        assert_eq!(lines(&"x".repeat(5000), 500, 500), None, "no code is so long");
    }
}
