//! Bars on a logarithmic scale, as SVG, in colours that can be read on light and on dark.

use core::fmt::Write as _;

/// What is drawn.
pub(crate) struct Chart {
    pub(crate) title: String,
    /// What the bars of a group are, in order.
    pub(crate) series: Vec<String>,
    /// Groups of bars: a name, and a value for each series, where there is one.
    pub(crate) groups: Vec<(String, Vec<Option<f64>>)>,
}

const COLOURS: [&str; 5] = ["#2f6fb3", "#d98324", "#3f9463", "#a65aa8", "#8a8f98"];
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 15.0;
const TOP: f64 = 70.0;
const BOTTOM: f64 = 40.0;

impl Chart {
    /// The picture; nothing, if there is no value.
    pub(crate) fn draw(&self) -> Option<String> {
        let values = || self.groups.iter().flat_map(|(_, values)| values.iter().flatten().copied());
        let least = values().filter(|value| *value > 0.0).min_by(f64::total_cmp)?.log10().floor();
        let most = values().max_by(f64::total_cmp)?.log10().ceil().max(least + 1.0);
        let height = |value: f64| {
            ((value.max(10f64.powf(least)).log10() - least) / (most - least)).max(0.004) * (HEIGHT - TOP - BOTTOM)
        };
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
             <text x=\"{LEFT}\" y=\"22\" font-size=\"15\" font-weight=\"bold\">{}</text>\n",
            self.title
        );
        let ground = HEIGHT - BOTTOM;
        for power in least as i32..=most as i32 {
            let y = ground - (f64::from(power) - least) / (most - least) * (ground - TOP);
            line(&mut svg, y, &si(10f64.powi(power)));
        }
        for (place, name) in self.series.iter().enumerate() {
            let (x, colour) = (LEFT + place as f64 * 130.0, COLOURS[place % COLOURS.len()]);
            let _ = writeln!(svg, "<rect x=\"{x}\" y=\"36\" width=\"12\" height=\"12\" fill=\"{colour}\"/>");
            let _ = writeln!(svg, "<text x=\"{}\" y=\"46\">{name}</text>", x + 17.0);
        }
        let group = (WIDTH - LEFT - RIGHT) / self.groups.len() as f64;
        let bar = group * 0.84 / self.series.len() as f64;
        for (number, (name, values)) in self.groups.iter().enumerate() {
            let begin = LEFT + number as f64 * group + group * 0.08;
            for (place, value) in values.iter().enumerate().filter_map(|(place, value)| Some((place, (*value)?))) {
                let (x, height, colour) = (begin + place as f64 * bar, height(value), COLOURS[place % COLOURS.len()]);
                let y = ground - height;
                let _ = writeln!(
                    svg,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>",
                    bar * 0.9
                );
                let middle = x + bar * 0.45;
                let _ = writeln!(
                    svg,
                    "<text x=\"{middle:.1}\" y=\"{:.1}\" font-size=\"9\" text-anchor=\"middle\">{}</text>",
                    y - 3.0,
                    si(value)
                );
            }
            let middle = LEFT + (number as f64 + 0.5) * group;
            let _ = writeln!(
                svg,
                "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text>",
                ground + 18.0
            );
        }
        svg.push_str("</svg>\n");
        Some(svg)
    }
}

fn line(svg: &mut String, y: f64, name: &str) {
    let _ =
        writeln!(svg, "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\" stroke=\"#d5d8dd\"/>", WIDTH - RIGHT);
    let _ = writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>", LEFT - 6.0, y + 4.0);
}

/// Short, as people write it: 1.5 k, 20 M.
fn si(value: f64) -> String {
    let (scaled, unit) = match value {
        value if value >= 1e6 => (value / 1e6, " M"),
        value if value >= 1e3 => (value / 1e3, " k"),
        value => (value, ""),
    };
    if scaled >= 10.0 || scaled.fract() == 0.0 { format!("{scaled:.0}{unit}") } else { format!("{scaled:.1}{unit}") }
}
