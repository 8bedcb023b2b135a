//! Rows of figures, each the median of its rounds: printed, as JSON, and as a picture.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;

/// A table of works, each done by several contenders.
#[derive(Debug)]
pub struct Table {
    title: &'static str,
    unit: &'static str,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    work: String,
    by: &'static str,
    rounds: Vec<f64>,
    notes: BTreeMap<&'static str, f64>,
}

impl Row {
    fn median(&self) -> f64 {
        let mut rounds = self.rounds.clone();
        rounds.sort_by(f64::total_cmp);
        rounds.get(rounds.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

impl Table {
    /// An empty table of figures in this unit.
    pub fn new(title: &'static str, unit: &'static str) -> Self {
        Self { title, unit, rows: Vec::new() }
    }

    /// Adds the figure of one round.
    pub fn add(&mut self, work: &str, by: &'static str, figure: f64) {
        self.row(work, by).rounds.push(figure);
    }

    /// Notes another figure beside a row, such as its allocations.
    pub fn note(&mut self, work: &str, by: &'static str, what: &'static str, figure: f64) {
        self.row(work, by).notes.insert(what, figure);
    }

    fn row(&mut self, work: &str, by: &'static str) -> &mut Row {
        let known = self.rows.iter().position(|row| row.work == work && row.by == by);
        let place = known.unwrap_or_else(|| {
            let row = Row { work: work.into(), by, rounds: Vec::new(), notes: BTreeMap::new() };
            self.rows.push(row);
            self.rows.len() - 1
        });
        &mut self.rows[place]
    }

    /// The rows by work, in the order of their first appearance.
    fn works(&self) -> Vec<(&str, Vec<&Row>)> {
        let mut works: Vec<(&str, Vec<&Row>)> = Vec::new();
        for row in &self.rows {
            match works.iter_mut().find(|(work, _)| *work == row.work) {
                Some((_, rows)) => rows.push(row),
                None => works.push((&row.work, vec![row])),
            }
        }
        works
    }

    /// The table as text. The last column is MMF's share of each contender's figure.
    pub fn text(&self) -> String {
        let mut text = format!("{:30} {:26} {:>10}  notes\n", self.title, "by", self.unit);
        for (work, rows) in self.works() {
            let ours = rows.iter().find(|row| row.by == "MMF").map(|row| row.median());
            for row in rows {
                let _ = write!(text, "{work:30} {:26} {:10.1}", row.by, row.median());
                for (what, figure) in &row.notes {
                    let _ = write!(text, "  {figure:.0} {what}");
                }
                if let Some(ours) = ours.filter(|_| row.by != "MMF") {
                    let _ = write!(text, "  MMF is at {:.2} of it", ours / row.median());
                }
                text.push('\n');
            }
        }
        text
    }

    /// The table as JSON.
    pub fn json(&self) -> serde_json::Value {
        let rows = self.rows.iter().map(|row| {
            json!({
                "work": row.work, "by": row.by, "median": row.median(),
                "rounds": row.rounds.len(), "notes": row.notes,
            })
        });
        json!({ "title": self.title, "unit": self.unit, "rows": rows.collect::<Vec<_>>() })
    }

    /// The table as bars, readable on a light and on a dark page.
    pub fn svg(&self) -> String {
        const LINE: usize = 17;
        let works = self.works();
        let longest = self.rows.iter().map(Row::median).fold(1.0, f64::max);
        let height = (self.rows.len() + works.len() + 2) * LINE;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 {height}\" \
             font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
             <style>text {{ fill: #24292f }} .b {{ fill: #8c959f }} .m {{ fill: #2da44e }} \
             @media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} }}</style>\n\
             <text x=\"8\" y=\"{LINE}\" font-weight=\"bold\">{}, {}</text>\n",
            self.title, self.unit
        );
        let mut y = 2 * LINE;
        for (work, rows) in works {
            let _ = writeln!(svg, "<text x=\"8\" y=\"{y}\">{work}</text>");
            for row in rows {
                y += LINE;
                let median = row.median();
                let width = (median / longest * 420.0).max(1.0);
                let class = if row.by == "MMF" { "m" } else { "b" };
                let _ = writeln!(
                    svg,
                    "<text x=\"24\" y=\"{y}\">{}</text>\
                     <rect class=\"{class}\" x=\"220\" y=\"{}\" width=\"{width:.1}\" height=\"11\"/>\
                     <text x=\"{:.1}\" y=\"{y}\">{median:.1}</text>",
                    row.by,
                    y - 10,
                    226.0 + width
                );
            }
            y += LINE;
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// Prints the table, and writes it where `--json FILE` and `--svg FILE` say.
    ///
    /// # Errors
    ///
    /// Where a file cannot be written.
    pub fn publish(&self) -> std::io::Result<()> {
        print!("{}", self.text());
        let arguments: Vec<_> = std::env::args().collect();
        for pair in arguments.windows(2) {
            match pair[0].as_str() {
                "--json" => std::fs::write(&pair[1], format!("{:#}\n", self.json()))?,
                "--svg" => std::fs::write(&pair[1], self.svg())?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// The number behind an option of the command line.
pub fn option(name: &str) -> Option<usize> {
    let arguments: Vec<_> = std::env::args().collect();
    arguments.windows(2).find(|pair| pair[0] == name)?[1].parse().ok()
}

/// The number behind `--rounds`, or another.
pub fn rounds(otherwise: usize) -> usize {
    option("--rounds").unwrap_or(otherwise)
}
