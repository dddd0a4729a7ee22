//! Gradient boosting of small trees over histograms, for one yes-or-no question with logistic loss (Friedman 2001;
//! histograms and best-first growth as in LightGBM, Ke et al. 2017).

use serde::{Deserialize, Serialize};

/// How many classes a number is sorted into at most; class 0 is "not known".
const CLASSES: usize = 64;

/// How trees are grown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) trees: usize,
    pub(crate) leaves: usize,
    /// How much of what a tree found is believed.
    pub(crate) rate: f64,
    /// Fewest rows in a leaf.
    pub(crate) min_rows: usize,
    /// Draws leaves with little evidence towards zero.
    pub(crate) ridge: f64,
    /// The share of numbers that a tree may ask for, so that trees differ.
    pub(crate) features: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            trees: 120,
            leaves: 12,
            rate: 0.06,
            min_rows: 80,
            ridge: 5.0,
            features: 0.5,
        }
    }
}

/// Rows of numbers; `NaN` is "not known".
pub(crate) struct Rows<const F: usize> {
    classes: Vec<[u8; F]>,
    /// The upper ends of the classes of each number.
    cuts: Vec<Vec<f32>>,
}

impl<const F: usize> Rows<F> {
    pub(crate) fn new(rows: &[[f32; F]]) -> Self {
        let cuts: Vec<Vec<f32>> = (0..F).map(|feature| cuts(rows, feature)).collect();
        let classes = rows
            .iter()
            .map(|row| std::array::from_fn(|feature| class(row[feature], &cuts[feature])))
            .collect();
        Self { classes, cuts }
    }
}

/// The ends of classes that hold about equally many rows.
fn cuts<const F: usize>(rows: &[[f32; F]], feature: usize) -> Vec<f32> {
    let mut values: Vec<f32> = rows
        .iter()
        .map(|row| row[feature])
        .filter(|value| !value.is_nan())
        .collect();
    values.sort_unstable_by(f32::total_cmp);
    let mut distinct = values.clone();
    distinct.dedup();
    let wanted = CLASSES - 2;
    if distinct.len() <= wanted {
        distinct.pop();
        return distinct;
    }
    let mut cuts: Vec<f32> = (1..=wanted)
        .map(|cut| values[cut * values.len() / (wanted + 1)])
        .collect();
    cuts.dedup();
    cuts
}

fn class(value: f32, cuts: &[f32]) -> u8 {
    if value.is_nan() {
        return 0;
    }
    // At most CLASSES.
    1 + cuts.partition_point(|cut| *cut < value) as u8
}

/// Trees whose sum is added to the logarithm of the odds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Forest {
    trees: Vec<Vec<Node>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Node {
    /// Which number is asked.
    feature: u16,
    /// Up to this, or not known: left.
    cut: f32,
    /// Where the answers lead; 0 and 0 in a leaf.
    left: u16,
    right: u16,
    /// Of a leaf.
    value: f32,
}

impl Forest {
    /// Learns what to add to `base` (logarithms of odds) so that it tells `answers`.
    pub(crate) fn grow<const F: usize>(
        rows: &Rows<F>,
        base: &[f32],
        answers: &[bool],
        settings: &Settings,
    ) -> Self {
        let mut scores: Vec<f64> = base.iter().map(|score| f64::from(*score)).collect();
        let mut trees = Vec::new();
        for seed in 0..settings.trees {
            let slopes: Vec<Slope> = scores
                .iter()
                .zip(answers)
                .map(|(score, answer)| {
                    let odds = logistic(*score);
                    Slope {
                        first: odds - f64::from(u8::from(*answer)),
                        second: odds * (1.0 - odds),
                    }
                })
                .collect();
            let (tree, leaves) = Grower::new(rows, &slopes, settings, seed).grow();
            // Its numbers tell nothing; another tree's may.
            if tree.len() == 1 {
                continue;
            }
            for (value, members) in leaves {
                for row in members {
                    scores[row as usize] += f64::from(value);
                }
            }
            trees.push(tree);
        }
        Self { trees }
    }

    /// What to add to the logarithm of the odds.
    pub(crate) fn score(&self, row: &[f32]) -> f64 {
        let leaf = |tree: &Vec<Node>| {
            let mut place = 0;
            loop {
                let Some(node) = tree.get(place) else {
                    return 0.0;
                };
                if node.left == 0 {
                    return f64::from(node.value);
                }
                let value = row
                    .get(usize::from(node.feature))
                    .copied()
                    .unwrap_or(f32::NAN);
                let goes_left = value.is_nan() || value <= node.cut;
                place = usize::from(if goes_left { node.left } else { node.right });
            }
        };
        self.trees.iter().map(leaf).sum()
    }

    /// Whether every branch leads further, so that [`Forest::score`] ends.
    pub(crate) fn is_sound(&self) -> bool {
        self.trees.iter().all(|tree| {
            tree.iter().enumerate().all(|(place, node)| {
                let ahead = |to: u16| usize::from(to) > place && usize::from(to) < tree.len();
                (node.left == 0 && node.value.is_finite())
                    || (ahead(node.left) && ahead(node.right))
            })
        })
    }
}

/// The probability of a logarithm of odds.
pub(crate) fn logistic(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

/// First and second derivative of a row's loss; or sums of them.
#[derive(Debug, Clone, Copy, Default)]
struct Slope {
    first: f64,
    second: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    slope: Slope,
    rows: u32,
}

impl Cell {
    fn add(&mut self, other: &Self) {
        self.slope.first += other.slope.first;
        self.slope.second += other.slope.second;
        self.rows += other.rows;
    }

    fn without(&self, other: &Self) -> Self {
        Self {
            slope: Slope {
                first: self.slope.first - other.slope.first,
                second: self.slope.second - other.slope.second,
            },
            rows: self.rows - other.rows,
        }
    }
}

/// A leaf that may still be split.
struct Leaf {
    node: usize,
    members: Vec<u32>,
    histogram: Vec<Cell>,
    split: Option<Split>,
}

#[derive(Debug, Clone, Copy)]
struct Split {
    feature: usize,
    /// The last class that goes left.
    class: usize,
    gain: f64,
}

struct Grower<'a, const F: usize> {
    rows: &'a Rows<F>,
    slopes: &'a [Slope],
    settings: &'a Settings,
    /// Which numbers this tree may ask for.
    asked: [bool; F],
}

impl<'a, const F: usize> Grower<'a, F> {
    fn new(rows: &'a Rows<F>, slopes: &'a [Slope], settings: &'a Settings, seed: usize) -> Self {
        Self {
            rows,
            slopes,
            settings,
            asked: std::array::from_fn(|feature| drawn(seed * F + feature) < settings.features),
        }
    }

    /// A tree, and of each leaf its value and its rows.
    fn grow(&self) -> (Vec<Node>, Vec<(f32, Vec<u32>)>) {
        let members: Vec<u32> = (0..).take(self.slopes.len()).collect();
        let histogram = self.count(&members);
        let mut nodes = vec![leaf_node(0.0)];
        let mut leaves = vec![self.leaf(0, members, histogram)];
        while leaves.len() < self.settings.leaves {
            let gain = |leaf: &Leaf| leaf.split.map_or(0.0, |split| split.gain);
            let best =
                (0..leaves.len()).max_by(|a, b| gain(&leaves[*a]).total_cmp(&gain(&leaves[*b])));
            let Some((best, split)) = best.and_then(|best| Some((best, leaves[best].split?)))
            else {
                break;
            };
            let leaf = leaves.swap_remove(best);
            // Two more nodes than leaves, of which there are few.
            let (left, right) = (nodes.len() as u16, nodes.len() as u16 + 1);
            nodes[leaf.node] = Node {
                feature: split.feature as u16,
                cut: self.cut(split),
                left,
                right,
                value: 0.0,
            };
            nodes.extend([leaf_node(0.0), leaf_node(0.0)]);
            leaves.extend(self.divide(leaf, split, usize::from(left)));
        }
        let leaves = leaves
            .into_iter()
            .map(|leaf| {
                let value = self.value(&leaf);
                nodes[leaf.node].value = value;
                (value, leaf.members)
            })
            .collect();
        (nodes, leaves)
    }

    fn cut(&self, split: Split) -> f32 {
        match split.class.checked_sub(1) {
            Some(place) => self.rows.cuts[split.feature][place],
            // Only what is not known goes left.
            None => f32::MIN,
        }
    }

    fn divide(&self, leaf: Leaf, split: Split, first: usize) -> [Leaf; 2] {
        let goes_left =
            |row: &u32| usize::from(self.rows.classes[*row as usize][split.feature]) <= split.class;
        let (left, right): (Vec<u32>, Vec<u32>) = leaf.members.into_iter().partition(goes_left);
        let is_left_smaller = left.len() < right.len();
        let counted = self.count(if is_left_smaller { &left } else { &right });
        let rest: Vec<Cell> = leaf
            .histogram
            .iter()
            .zip(&counted)
            .map(|(all, part)| all.without(part))
            .collect();
        let (of_left, of_right) = match is_left_smaller {
            true => (counted, rest),
            false => (rest, counted),
        };
        [
            self.leaf(first, left, of_left),
            self.leaf(first + 1, right, of_right),
        ]
    }

    fn leaf(&self, node: usize, members: Vec<u32>, histogram: Vec<Cell>) -> Leaf {
        let split = self.best_split(&histogram);
        Leaf {
            node,
            members,
            histogram,
            split,
        }
    }

    fn count(&self, members: &[u32]) -> Vec<Cell> {
        let mut histogram = vec![Cell::default(); F * CLASSES];
        let asked: Vec<usize> = (0..F).filter(|feature| self.asked[*feature]).collect();
        for row in members {
            let row = *row as usize;
            let cell = Cell {
                slope: self.slopes[row],
                rows: 1,
            };
            for feature in &asked {
                let class = self.rows.classes[row][*feature];
                histogram[feature * CLASSES + usize::from(class)].add(&cell);
            }
        }
        histogram
    }

    fn best_split(&self, histogram: &[Cell]) -> Option<Split> {
        let mut best: Option<Split> = None;
        for feature in (0..F).filter(|feature| self.asked[*feature]) {
            let cells = &histogram[feature * CLASSES..(feature + 1) * CLASSES];
            let mut all = Cell::default();
            cells.iter().for_each(|cell| all.add(cell));
            let mut left = Cell::default();
            for (class, cell) in cells
                .iter()
                .enumerate()
                .take(self.rows.cuts[feature].len() + 1)
            {
                left.add(cell);
                let right = all.without(&left);
                if (left.rows.min(right.rows) as usize) < self.settings.min_rows {
                    continue;
                }
                let gain = self.worth(left.slope) + self.worth(right.slope) - self.worth(all.slope);
                if gain > best.map_or(1e-6, |best| best.gain) {
                    best = Some(Split {
                        feature,
                        class,
                        gain,
                    });
                }
            }
        }
        best
    }

    fn worth(&self, slope: Slope) -> f64 {
        slope.first * slope.first / (slope.second + self.settings.ridge)
    }

    fn value(&self, leaf: &Leaf) -> f32 {
        let mut all = Slope::default();
        for row in &leaf.members {
            all.first += self.slopes[*row as usize].first;
            all.second += self.slopes[*row as usize].second;
        }
        (-self.settings.rate * all.first / (all.second + self.settings.ridge)) as f32
    }
}

/// A number below 1 for each place, always the same: SplitMix64 (Steele et al. 2014). Learning twice gives one model.
fn drawn(place: usize) -> f64 {
    let mut bits = (place as u64)
        .wrapping_add(1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    // 53 bits are what an f64 holds.
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

fn leaf_node(value: f32) -> Node {
    Node {
        feature: 0,
        cut: 0.0,
        left: 0,
        right: 0,
        value,
    }
}
