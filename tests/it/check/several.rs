//! Several mistakes in one configuration, and the words in which each is told.

use super::Broken;

#[test]
fn what_is_wanted_is_said_in_words_and_not_in_types() {
    Broken {
        files: &[(
            "doorstep.toml",
            "[shop]\nlanguages = \"en\"\nname = 5\n[database]\nconnections = -1\n[phrasing]\nenabled = \"yes\"\n[eta]\n\
             probability = \"high\"\n",
        )],
        said: &[
            "doorstep.toml:2: shop.languages: found the text \"en\"; write a list, such as [\"one\", \"two\"]",
            "doorstep.toml:3: shop.name: found a number; write text in quotes, such as \"words\"",
            "doorstep.toml:5: database.connections: found the number -1; write a whole number, such as 20",
            "doorstep.toml:7: phrasing.enabled: found the text \"yes\"; write true or false",
            "doorstep.toml:9: eta.probability: found the text \"high\"; write a number, such as 0.5",
        ],
    }
    .check();
}

#[test]
fn every_mistake_of_every_channel_is_said_at_once() {
    Broken {
        files: &[(
            "doorstep.toml",
            "[channels.telegram]\nusrname = \"shop_bot\"\ntokn = \"1:token\"\n[channels.discord]\napplicaton_id = \"1\"\n\
             [delivery]\nlease_s = 10\n",
        )],
        said: &[
            "doorstep.toml:5: channels.discord.applicaton_id: there is no such key; did you mean `application_id`?",
            "doorstep.toml:3: channels.telegram.tokn: there is no such key; did you mean `token`?",
            "doorstep.toml:2: channels.telegram.usrname: there is no such key; did you mean `username`?",
            "doorstep.toml:7: delivery.lease_s: a lease of 10 s ends before an attempt may (30 s): a running attempt \
             would be taken for dead; write more than delivery.timeout_s",
        ],
    }
    .check();
}

#[test]
fn what_stands_twice_is_named() {
    Broken {
        files: &[("doorstep.toml", "[shop]\nname = \"a\"\nname = \"b\"\n")],
        said: &["doorstep.toml:3: `name` stands here a second time; put all of it in one place"],
    }
    .check();
    Broken {
        files: &[("doorstep.toml", "[shop]\nname = \"a\"\n[http]\n[shop]\n")],
        said: &["doorstep.toml:4: `shop` stands here a second time; put all of it in one place"],
    }
    .check();
}

#[test]
fn a_time_zone_that_there_is_not_is_told_with_how_one_is_written() {
    Broken {
        files: &[("doorstep.toml", "[shop]\ntime_zone = \"Europe/Madird\"\n")],
        said: &[
            "doorstep.toml:2: shop.time_zone: there is no time zone `Europe/Madird`; write one by its IANA name, like \
             `Europe/Madrid`",
        ],
    }
    .check();
}
