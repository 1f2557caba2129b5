//! The page as it was made last: many who look at once look at the same, so it is made and packed once a report.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use evaluation::report::Report;

use super::now::{Wanted, now};
use super::packed;
use crate::disk::Disk;

/// Of so many wishes the pages are kept: each is up to 150 kB, and most who look have the same clock.
const MOST: usize = 8;

/// A page, and its packed form.
#[derive(Debug, Clone)]
pub(super) struct Page {
    pub(super) text: Bytes,
    pub(super) packed: Option<Bytes>,
}

/// The pages of the latest report. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rendered(Arc<Mutex<Pages>>);

#[derive(Debug, Default)]
struct Pages {
    /// What they show.
    of: Option<(Arc<Report>, Option<Disk>)>,
    pages: Vec<(Wanted, Page)>,
}

impl Rendered {
    /// The page of this report, made where it was not yet. Whoever asks meanwhile waits for that, which is milliseconds.
    pub(super) fn page(&self, report: &Arc<Report>, disk: Option<Disk>, wanted: Wanted) -> Page {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.of.as_ref().is_some_and(|(of, with)| Arc::ptr_eq(of, report) && *with == disk) {
            *kept = Pages { of: Some((Arc::clone(report), disk)), pages: Vec::new() };
        }
        if let Some((_, page)) = kept.pages.iter().find(|(of, _)| *of == wanted) {
            return page.clone();
        }
        let text = now(report, disk.as_ref(), wanted);
        let page = Page { packed: packed::pack(text.as_bytes()).map(Bytes::from), text: Bytes::from(text) };
        if kept.pages.len() == MOST {
            kept.pages.remove(0);
        }
        kept.pages.push((wanted, page.clone()));
        page
    }
}

#[cfg(test)]
mod tests {
    use evaluation::fold::{Evaluation, Settings};

    use super::*;
    use crate::page::words::Zone;

    fn report() -> Arc<Report> {
        let settings = Settings { window: 30, period: 1000, horizon: 1000, versions: 1 };
        Arc::new(Evaluation::new(settings, Vec::new()).report(0, |_, _| true))
    }

    #[test]
    fn a_page_is_made_once_for_all_who_want_it_and_anew_for_what_is_new() {
        let (rendered, first) = (Rendered::default(), report());
        let ask = |report: &Arc<Report>, wanted| rendered.page(report, None, wanted).text;
        // The same bytes, and not others that are alike: those that are compared are held, so that no other has their place.
        let is_one = |one: &Bytes, other: &Bytes| one.as_ptr() == other.as_ptr();
        let zone = |minutes: usize| Wanted {
            zone: Zone::of_cookies(&format!("zone={minutes}")),
            ..Wanted::default()
        };
        let (page, other) = (ask(&first, Wanted::default()), ask(&first, zone(60)));
        assert!(!is_one(&page, &other));
        assert!(is_one(&page, &ask(&first, Wanted::default())) && is_one(&other, &ask(&first, zone(60))));
        // Another report, or another disk, is shown as it is.
        let disk = Disk { free_bytes: 5_000_000, records_bytes: 7, bytes_per_day: None, full_in_ms: None };
        let with = rendered.page(&first, Some(disk), Wanted::default()).text;
        assert!(std::str::from_utf8(&with).unwrap().contains("5.0\u{a0}MB of the disk are free"));
        let second = report();
        let kept = ask(&second, Wanted::default());
        assert!(!is_one(&kept, &page));
        // There is an end to it.
        for minutes in 0..100 {
            ask(&second, zone(minutes));
        }
        assert_eq!(rendered.0.lock().unwrap().pages.len(), MOST);
        assert!(!is_one(&kept, &ask(&second, Wanted::default())));
    }
}
