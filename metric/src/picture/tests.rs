//! What is drawn is what the report says, in SVG that every program reads, and in PNG.

use evaluation::report::{BinReport, Report};

use super::*;
use crate::life::Life;
use crate::raster;

/// A version that took over from another one, and whose first feature has moved.
fn life() -> Life {
    let mut life = Life::new(3);
    life.serve("model", "aaaabbbbcccc", true);
    life.live(400, (0.0, 1.0), Some(2));
    life.serve("model", "ddddeeeeffff", true);
    life.live(1300, (0.4, 1.0), Some(2));
    life
}

fn drawn(picture: Picture, report: &Report) -> String {
    picture.draw(report, Look::default()).unwrap_or_else(|why| panic!("{picture:?}: {why}"))
}

/// The elements of a kind, as they are written.
fn elements<'a>(svg: &'a str, begin: &str) -> Vec<&'a str> {
    svg.split(begin).skip(1).map(|rest| rest.split('>').next().unwrap()).collect()
}

fn number(element: &str, attribute: &str) -> f64 {
    let value = element.split(&format!(" {attribute}=\"")).nth(1).unwrap_or_else(|| panic!("{element}"));
    value.split('"').next().unwrap().parse().unwrap()
}

/// What is written, in its order.
fn texts(svg: &str) -> Vec<String> {
    let texts = svg.split("<text").skip(1).map(|rest| rest.split('>').nth(1).unwrap());
    texts.map(|text| text.split("</text").next().unwrap().replace("&gt;", ">")).collect()
}

#[test]
fn every_picture_stands_by_itself_in_pixels() {
    let report = life().report();
    for picture in Picture::value_variants() {
        for theme in [Theme::Light, Theme::Dark] {
            for score in Score::ALL {
                let svg = picture.draw(&report, Look { score, theme }).unwrap();
                assert!(svg.starts_with(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\""
                ));
                for never in ["%\"", "var(", "NaN", "inf\"", "href", "<script", "None", "Some("] {
                    assert!(!svg.contains(never), "{never} in {svg}");
                }
                assert_eq!((svg.matches("<svg").count(), svg.matches("<style").count()), (1, 1));
                // All that is drawn is on the sheet.
                let wide = number(elements(&svg, "<svg")[0], "width");
                assert!((wide - SHEET_WIDE).abs() < 1e-9);
                for rect in elements(&svg, "<rect") {
                    assert!(rect.contains("width=") && number(rect, "width") <= wide, "{rect}");
                }
            }
        }
    }
}

#[test]
fn bars_are_as_high_as_the_shares_of_the_report() {
    let report = life().report();
    let charts = report.versions[1].charts.as_ref().unwrap();
    for (picture, bins) in
        [(Picture::Errors, &charts.errors), (Picture::ErrorDistribution, &charts.absolute_errors)]
    {
        let svg = drawn(picture, &report);
        let bars = elements(&svg, "<rect class=\"bar\"");
        assert_eq!(bars.len(), bins.len());
        let most = |of: &dyn Fn(usize) -> f64| (0..bins.len()).map(of).fold(0.0, f64::max);
        let highest = most(&|at| number(bars[at], "height"));
        let largest = most(&|at| bins[at].share);
        for (bar, BinReport { share, .. }) in bars.iter().zip(bins) {
            // A tenth of a pixel is what is written.
            assert!((number(bar, "height") - share / largest * highest).abs() < 0.21, "{bar} is not {share}");
        }
        // Side by side, without a gap.
        for pair in bars.windows(2) {
            let end = number(pair[0], "x") + number(pair[0], "width");
            assert!((end - number(pair[1], "x")).abs() < 0.21, "{pair:?}");
        }
    }
}

#[test]
fn points_are_where_the_report_has_them() {
    let report = life().report();
    let rows = &report.versions[1].charts.as_ref().unwrap().last;
    let svg = drawn(Picture::Scatter, &report);
    let points = elements(&svg, "<circle class=\"point\"");
    assert_eq!(points.len(), rows.len());
    let values: Vec<f64> = rows.iter().flat_map(|row| [row.y_true, row.y_pred]).collect();
    let (low, high) =
        values.iter().fold((f64::MAX, f64::MIN), |(low, high), of| (low.min(*of), high.max(*of)));
    let place = |value: f64| (value - low) / (high - low);
    // The dashed line goes from one corner to the other.
    let corner = svg.split("class=\"line reference\" d=\"M0 ").nth(1).unwrap();
    let (high, wide) = corner.split('"').next().unwrap().split_once('L').unwrap();
    let (high, wide): (f64, f64) = (high.parse().unwrap(), wide.split(' ').next().unwrap().parse().unwrap());
    for (point, row) in points.iter().zip(rows) {
        assert!((number(point, "cx") - place(row.y_true) * wide).abs() < 0.06, "{point} {row:?}");
        assert!((number(point, "cy") - (1.0 - place(row.y_pred)) * high).abs() < 0.06, "{point} {row:?}");
    }
}

#[test]
fn a_picture_says_what_it_is_of() {
    let report = life().report();
    let of = "model@ddddeeeeffff: 1 300 labelled of 1 300 predictions; 27 Nov 2026, 08:28:20 UTC";
    let of = of.replace("1 300 labelled", &format!("{} labelled", count(report.versions[1].rows.labelled)));
    let of =
        of.replace("1 300 predictions", &format!("{} predictions", count(report.versions[1].rows.predicted)));
    for (picture, title, parts) in [
        (
            Picture::Scores,
            "MAE by time of prediction",
            vec!["MAE", "time of prediction", "held out 0.500", "ddddeeee"],
        ),
        (
            Picture::Errors,
            "Prediction minus label",
            vec!["share of rows", "prediction minus label", "← too low"],
        ),
        (
            Picture::ErrorDistribution,
            "Distribution of absolute errors",
            vec!["share of rows", "absolute error, in the unit of the label", "0.4"],
        ),
        (Picture::Scatter, "Prediction over label", vec!["prediction", "label"]),
        (Picture::Lag, "How late labels come", vec!["half within 2.3 s", "time since the prediction"]),
        (
            Picture::Evidence,
            "Evidence that errors are larger than in training",
            vec!["evidence", "when the label came"],
        ),
        (
            Picture::Drift,
            "What the model is fed, and what it answers",
            vec!["f0", "f1", "f2", "prediction", "steady", "PSI (by chance)"],
        ),
    ] {
        let svg = drawn(picture, &report);
        let texts = texts(&svg);
        assert_eq!((&texts[0][..], &texts[1]), (title, &of));
        assert!(svg.contains(&format!("<title>{title}</title>")));
        for part in parts {
            assert!(texts.iter().any(|text| text == part), "{part} in {texts:?}");
        }
    }
}

#[test]
fn what_cannot_be_drawn_yet_says_why() {
    let none = Life::new(3).report();
    let mut life = Life::new(3);
    life.serve("model", "1", true);
    life.live(20, (0.0, 1.0), None);
    let no_label = life.report();
    life.live(12, (0.0, 1.0), Some(0));
    let few = life.report();
    life.serve("model", "2", true);
    life.live(700, (0.0, 1.0), Some(0));
    let former = life.report().of(|_, version| version == Some("1"));
    for (report, picture, why) in [
        (&none, Picture::Scores, "No row has been predicted yet."),
        (&no_label, Picture::Scores, "No label has come yet: there is nothing to measure."),
        (&no_label, Picture::ErrorDistribution, "Errors are shown from the first label on."),
        (&no_label, Picture::Scatter, "from the first label on"),
        (&no_label, Picture::Evidence, "from the first label on"),
        (&few, Picture::Lag, "from 30 labels on"),
        (&few, Picture::Drift, "32 of 500 rows."),
        (&former, Picture::Errors, "model@1 does not serve any more"),
    ] {
        let said = picture.draw(report, Look::default()).unwrap_err();
        assert!(said.contains(why), "{picture:?}: {said}");
    }
    // Few rows are shown one by one; of a version that served there are scores.
    let svg = drawn(Picture::Scores, &few);
    assert_eq!(svg.matches("<line class=\"stem\"").count(), 12, "{svg}");
    assert!(drawn(Picture::Scores, &former).contains("MAE by time of prediction"));
}

#[test]
fn what_comes_from_outside_is_text() {
    let hostile = "<script>alert(1)</script>\"'&\u{1b}\u{fffe}";
    let mut life = Life::new(1);
    life.serve("model", "1", true);
    life.live(600, (0.0, 1.0), Some(0));
    let mut report = life.report();
    let version = &mut report.versions[0];
    (version.model, version.version) = (Some(hostile.to_owned()), Some(hostile.to_owned()));
    version.drift.features[0].name = hostile.to_owned();
    for picture in Picture::value_variants() {
        let svg = drawn(*picture, &report);
        assert!(!svg.contains("<script") && !svg.contains(['\u{1b}', '\u{fffe}']), "{svg}");
        // A reader of XML takes it.
        raster::png(&svg).unwrap();
    }
}

/// Width and height, and its pixels as red, green and blue.
fn decoded(bytes: &[u8]) -> ((u32, u32), Vec<[u8; 3]>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgba, png::BitDepth::Eight));
    let pixels = pixels.chunks_exact(4).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    ((info.width, info.height), pixels)
}

#[test]
fn a_png_has_its_size_its_colours_and_its_texts() {
    let report = life().report();
    for picture in Picture::value_variants() {
        for (theme, ground) in [(Theme::Light, [0xff; 3]), (Theme::Dark, [0x14, 0x17, 0x1a])] {
            let svg = picture.draw(&report, Look { theme, ..Look::default() }).unwrap();
            let sheet = elements(&svg, "<svg")[0];
            let ((wide, high), pixels) = decoded(&raster::png(&svg).unwrap());
            assert!((f64::from(wide) / 2.0 - number(sheet, "width")).abs() < 1.0);
            assert!((f64::from(high) / 2.0 - number(sheet, "height")).abs() < 1.0, "{picture:?}");
            let share = |is: &dyn Fn(&[u8; 3]) -> bool| {
                pixels.iter().filter(|pixel| is(pixel)).count() as f64 / pixels.len() as f64
            };
            let empty = share(&|pixel| *pixel == ground);
            assert!((0.4..0.99).contains(&empty), "{picture:?} {theme:?}: {empty}");
            // To the last line: a part of a pixel would be seen through.
            assert_eq!(*pixels.last().unwrap(), ground, "{picture:?}");
            // The title is drawn, which is where nothing else is.
            let title = &pixels[(wide as usize * 30)..(wide as usize * 76)];
            let written = title.iter().filter(|pixel| **pixel != ground).count();
            assert!(written > 1000, "{picture:?} {theme:?}: {written} pixels of the title");
        }
    }
}
