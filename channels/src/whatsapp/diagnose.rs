//! What works at Meta and what is missing, without writing to anyone.

use doorstep_core::{Health, channel::Diagnosis};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{WhatsApp, config::Number, error::CallError, inbound::string, webhook};

/// What a number is asked for (Meta: "Phone numbers").
const NUMBER_FIELDS: &str =
    "display_phone_number,verified_name,quality_rating,name_status,webhook_configuration";

impl WhatsApp {
    /// Every number can be read with the token.
    pub(super) async fn check_numbers(&self) -> Health {
        for number in self.numbers.iter() {
            let path = &number.phone_number_id;
            if let Err(error) = self.graph.get(path, &[("fields", "id")]).await {
                return down(&error);
            }
        }
        Health::Ok
    }

    /// For `doorstep channels test`.
    pub(super) async fn diagnose_all(&self) -> Vec<Diagnosis> {
        let mut found = Vec::new();
        for number in self.numbers.iter() {
            self.diagnose_number(number, &mut found).await;
        }
        found.push(self.diagnose_secret().await);
        if self.templates.are_read() {
            found.push(self.diagnose_subscription().await);
            found.push(self.diagnose_templates().await);
        } else {
            found.push(Diagnosis {
                what: "the approved templates".to_owned(),
                health: Health::Degraded {
                    reason:
                        "channels.whatsapp.business_account is empty, so they cannot be looked at"
                            .to_owned(),
                },
            });
        }
        found
    }

    async fn diagnose_number(&self, number: &Number, found: &mut Vec<Diagnosis>) {
        let id = &number.phone_number_id;
        let answer = self.graph.get(id, &[("fields", NUMBER_FIELDS)]).await;
        let what = format!("the token may use number {id}");
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                found.push(Diagnosis {
                    what,
                    health: down(&error),
                });
                return;
            }
        };
        found.push(Diagnosis {
            what,
            health: Health::Ok,
        });
        found.push(Diagnosis {
            what: format!("number {id} is in good standing"),
            health: standing(&answer),
        });
        let webhook = string(&answer, "/webhook_configuration/phone_number")
            .or_else(|| string(&answer, "/webhook_configuration/whatsapp_business_account"))
            .or_else(|| string(&answer, "/webhook_configuration/application"));
        found.push(Diagnosis {
            what: format!("the webhook of number {id} is set"),
            health: match webhook.filter(|url| url.ends_with("/webhooks/channels/whatsapp")) {
                Some(_) => Health::Ok,
                None => Health::Down {
                    reason: "set it in the app, page \"WhatsApp, Configuration\", to this program's public address \
                             and /webhooks/channels/whatsapp"
                        .to_owned(),
                },
            },
        });
    }

    /// The app secret belongs to the token's app (Meta: "Securing Graph API Requests", `appsecret_proof`).
    async fn diagnose_secret(&self) -> Diagnosis {
        let proof = webhook::sign(
            self.config.app_secret.expose_secret().as_bytes(),
            self.config.access_token.expose_secret().as_bytes(),
        );
        let number = self.numbers.iter().next();
        let path = number.map_or("me", |number| number.phone_number_id.as_str());
        let query = [("fields", "id"), ("appsecret_proof", proof.as_str())];
        Diagnosis {
            what: "the app secret belongs to the token's app".to_owned(),
            health: match self.graph.get(path, &query).await {
                Ok(_) => Health::Ok,
                Err(error) => down(&error),
            },
        }
    }

    async fn diagnose_subscription(&self) -> Diagnosis {
        let path = format!("{}/subscribed_apps", self.config.business_account);
        Diagnosis {
            what: "an app is subscribed to the business account".to_owned(),
            health: match self.graph.get(&path, &[]).await {
                Ok(answer) if answer["data"].as_array().is_some_and(|apps| !apps.is_empty()) => {
                    Health::Ok
                }
                Ok(_) => Health::Down {
                    reason: "no webhooks are sent: subscribe the app to the business account (POST subscribed_apps)"
                        .to_owned(),
                },
                Err(error) => down(&error),
            },
        }
    }

    async fn diagnose_templates(&self) -> Diagnosis {
        let listed = self
            .templates
            .refresh(&self.graph, self.ambient.now())
            .await;
        let health = match listed {
            Ok(listed) => {
                let not: Vec<String> = listed
                    .iter()
                    .filter(|listed| !listed.is_approved())
                    .map(|listed| {
                        format!("{} ({}): {}", listed.name, listed.language, listed.status)
                    })
                    .collect();
                match (listed.is_empty(), not.is_empty()) {
                    (true, _) => Health::Degraded {
                        reason: "there are none: nothing can be written 24 hours after a customer's last message"
                            .to_owned(),
                    },
                    (false, true) => Health::Ok,
                    (false, false) => Health::Degraded {
                        reason: format!("not approved: {}", not.join(", ")),
                    },
                }
            }
            Err(error) => down(&error),
        };
        Diagnosis {
            what: "the approved templates".to_owned(),
            health,
        }
    }
}

fn standing(number: &Value) -> Health {
    let name = string(number, "/name_status").unwrap_or("APPROVED");
    let quality = string(number, "/quality_rating").unwrap_or("UNKNOWN");
    if quality == "RED" {
        return Health::Degraded {
            reason: "its quality is low: customers block it or report spam, and Meta may limit it"
                .to_owned(),
        };
    }
    if matches!(name, "DECLINED" | "EXPIRED") {
        return Health::Degraded {
            reason: format!("its display name is {name}: correct it in WhatsApp Manager"),
        };
    }
    Health::Ok
}

pub(super) fn down(error: &CallError) -> Health {
    Health::Down {
        reason: error.to_string(),
    }
}
