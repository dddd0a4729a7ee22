//! The head as a whole, on vectors that are made up: each intent is a direction, its messages lie around it.

use super::*;

const DIMENSIONS: usize = 24;

/// Repeatable vectors.
struct World {
    dice: Dice,
    directions: Vec<Vec<f32>>,
    spread: f32,
}

impl World {
    fn new(intents: usize, spread: f32, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let directions = (0..intents).map(|_| noise(&mut dice)).collect();
        Self {
            dice,
            directions,
            spread,
        }
    }

    fn message(&mut self, intent: usize) -> Example {
        let noise = noise(&mut self.dice);
        let values: Vec<f32> = self.directions[intent]
            .iter()
            .zip(noise)
            .map(|(direction, noise)| direction + self.spread * noise)
            .collect();
        let length = values.iter().map(|v| v * v).sum::<f32>().sqrt();
        let unit: Vec<f32> = values.iter().map(|value| value / length).collect();
        Example {
            label: format!("intent_{intent:02}"),
            text: String::new(),
            output: Output {
                embedding: unit.clone(),
                topic: unit,
                ..Output::default()
            },
        }
    }

    fn messages(&mut self, intents: std::ops::Range<usize>, each: usize) -> Vec<Example> {
        intents
            .flat_map(|intent| std::iter::repeat_n(intent, each))
            .map(|intent| self.message(intent))
            .collect()
    }
}

/// Values between -1 and 1, whose order chance decides.
fn noise(dice: &mut Dice) -> Vec<f32> {
    let mut steps: Vec<i16> = (0..DIMENSIONS as i16).collect();
    dice.shuffle(&mut steps);
    let middle = (DIMENSIONS as f32 - 1.0) / 2.0;
    steps
        .into_iter()
        .map(|step| (f32::from(step) - middle) / middle)
        .collect()
}

fn answers(head: &Head, messages: &[Example]) -> Vec<Answer> {
    messages
        .iter()
        .map(|message| {
            let best = head.score(&message.text, &message.output).remove(0);
            Answer {
                label: message.label.clone(),
                is_given: best.confidence >= head.threshold(),
                best: best.name,
                confidence: best.confidence,
            }
        })
        .collect()
}

#[test]
fn intents_are_told_apart_and_strangers_refused_that_no_example_showed() {
    let mut world = World::new(30, 0.6, 3);
    let head = Head::train(&world.messages(0..20, 12), &HeadSettings::default()).unwrap();
    assert_eq!(head.basis(), Basis::Proven);
    let mut test = world.messages(0..20, 20);
    for mut stranger in world.messages(20..30, 7) {
        stranger.label = "oos".to_owned();
        test.push(stranger);
    }
    let report = Report::new(&answers(&head, &test), Some("oos"));
    assert!(report.in_scope_accuracy.unwrap() > 0.97, "{report:?}");
    assert!(report.oos_auroc.unwrap() > 0.95, "{report:?}");
    assert!(report.error.unwrap() <= 0.06, "{report:?}");
    assert!(report.coverage.unwrap() >= 0.75, "{report:?}");
}

#[test]
fn what_is_accepted_holds_over_many_worlds() {
    let mut errors = Vec::new();
    for seed in 0..10 {
        // Wide enough that some messages lie nearer to another intent.
        let mut world = World::new(14, 1.1, seed);
        let settings = HeadSettings {
            max_wrong: 0.1,
            ..HeadSettings::default()
        };
        let head = Head::train(&world.messages(0..12, 15), &settings).unwrap();
        let mut test = world.messages(0..12, 40);
        for mut stranger in world.messages(12..14, 42) {
            stranger.label = "oos".to_owned();
            test.push(stranger);
        }
        let report = Report::new(&answers(&head, &test), Some("oos"));
        errors.push(report.error.unwrap_or(0.0));
    }
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    assert!(mean <= 0.115, "{mean} of {errors:?}");
}

#[test]
fn a_seed_makes_one_head() {
    let mut world = World::new(8, 0.8, 1);
    let examples = world.messages(0..8, 10);
    let told = |seed| {
        let settings = HeadSettings {
            seed,
            ..HeadSettings::default()
        };
        let head = Head::train(&examples, &settings).unwrap();
        (head.threshold(), head.score("", &examples[3].output))
    };
    assert_eq!(told(1), told(1));
    assert_ne!(told(1).0, told(2).0);
}

#[test]
fn the_background_is_learnt_and_never_answered() {
    let mut world = World::new(10, 0.6, 9);
    let mut examples = world.messages(0..10, 10);
    for example in examples
        .iter_mut()
        .filter(|e| e.label.as_str() > "intent_06")
    {
        example.label = "none".to_owned();
    }
    let settings = HeadSettings {
        background: Some("none".to_owned()),
        ..HeadSettings::default()
    };
    let head = Head::train(&examples, &settings).unwrap();
    let scores = head.score("", &world.message(9).output);
    assert_eq!(scores.len(), 7);
    assert!(scores.iter().all(|intent| intent.name != "none"));
    assert!(scores[0].confidence < head.threshold(), "{scores:?}");
    assert!(scores.is_sorted_by(|a, b| a.confidence >= b.confidence));
}

#[test]
fn few_examples_make_a_careful_head() {
    let mut world = World::new(2, 0.3, 5);
    let head = Head::train(&world.messages(0..2, 4), &HeadSettings::default()).unwrap();
    assert_eq!((head.basis(), head.threshold()), (Basis::TooFew, UNPROVEN));
    assert_eq!(
        head.score("", &world.message(1).output)[0].name,
        "intent_01"
    );
}

#[test]
fn what_cannot_be_learnt_is_said() {
    let mut world = World::new(2, 0.5, 1);
    let settings = HeadSettings {
        background: Some("intent_00".to_owned()),
        ..HeadSettings::default()
    };
    let train = |examples: &[Example]| Head::train(examples, &settings).err();
    assert_eq!(train(&[]), Some(HeadError::TooFewIntents { found: 0 }));
    let only = world.messages(1..2, 3);
    assert_eq!(train(&only), Some(HeadError::TooFewIntents { found: 1 }));
    let background = world.messages(0..1, 3);
    assert!(matches!(
        train(&background),
        Some(HeadError::OnlyBackground { .. })
    ));
    let mut uneven = world.messages(0..2, 2);
    uneven[3].output.topic.clear();
    assert!(matches!(
        train(&uneven),
        Some(HeadError::Shape { example: 3, .. })
    ));
    let careless = HeadSettings {
        max_wrong: 1.0,
        ..HeadSettings::default()
    };
    let error = Head::train(&uneven, &careless).unwrap_err();
    assert_eq!(error, HeadError::MaxWrong("1".to_owned()));
}

#[test]
fn words_tell_apart_what_the_vectors_do_not() {
    let mut world = World::new(2, 0.05, 4);
    // Both are one intent to the encoder.
    let mut messages = |each: usize| -> Vec<Example> {
        let asks = ["can you engrave", "do you sharpen"].iter().enumerate();
        asks.flat_map(|(intent, ask)| {
            let things = ["it", "a knife", "my knives", "both of them", "this"];
            let things = things.into_iter().cycle().take(each);
            things.map(move |thing| (intent, format!("{ask} {thing}")))
        })
        .map(|(intent, text)| Example {
            label: format!("intent_{intent:02}"),
            text,
            ..world.message(0)
        })
        .collect()
    };
    let (examples, mut test) = (messages(12), messages(40));
    let train = || Head::train(&examples, &HeadSettings::default()).unwrap();
    let head = train();
    let right = |test: &[Example]| {
        let report = Report::new(&answers(&head, test), None);
        report.in_scope_accuracy.unwrap()
    };
    assert!(right(&test) > 0.95, "{}", right(&test));
    let score = |head: &Head| head.score(&test[5].text, &test[5].output);
    assert_eq!(score(&head), score(&train()));
    test.iter_mut().for_each(|message| message.text.clear());
    assert!(right(&test) < 0.75, "{}", right(&test));
}

#[test]
fn the_output_of_another_model_is_not_scored() {
    let mut world = World::new(4, 0.5, 2);
    let head = Head::train(&world.messages(0..4, 6), &HeadSettings::default()).unwrap();
    assert!(head.score("", &Output::default()).is_empty());
}
