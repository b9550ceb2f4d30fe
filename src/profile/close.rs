//! "Did you mean": the names that are a slip of the finger away.

/// Up to three of `names` that look like `wanted`, the closest first.
pub fn close<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    // One slip in a short name, up to three in a long one; more than that is another name.
    let reach = (wanted.chars().count() / 3).clamp(1, 3);
    let wanted_lower: Vec<char> = wanted.to_lowercase().chars().take(LONGEST + 1).collect();
    if wanted_lower.len() > LONGEST {
        return Vec::new();
    }
    let mut found: Vec<(usize, &str)> = names
        .filter(|name| name.len() <= 4 * LONGEST)
        .filter_map(|name| {
            let lower: Vec<char> = name.to_lowercase().chars().collect();
            if lower.len().abs_diff(wanted_lower.len()) > reach {
                return None;
            }
            let slips = distance(&wanted_lower, &lower);
            (slips <= reach).then_some((slips, name))
        })
        .collect();
    found.sort();
    found.truncate(3);
    found.into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// Names longer than this are pasted, not typed.
const LONGEST: usize = 64;

/// Insertions, deletions, replacements and swaps of neighbours between two words (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let names = ["prod", "prod-admin", "Staging", "dev"];
        assert_eq!(close("prdo", names.into_iter()), ["prod"]);
        assert_eq!(close("staging", names.into_iter()), ["Staging"]);
        assert_eq!(close("xyz", names.into_iter()), [""; 0]);
        assert_eq!(close(&"x".repeat(2000), names.into_iter()), [""; 0]);
    }
}
