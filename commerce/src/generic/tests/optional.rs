//! What a shop may say and need not.

use doorstep_core::event::CommerceEventKind;
use serde_json::{Value, json};

use super::{envelope, order_payload, reason, receive};

#[test]
fn an_order_may_say_whether_its_customer_agreed_to_offers() {
    let mut payload = order_payload();
    let mut consent = |said: Value| {
        payload["customer"]["accepts_marketing"] = said;
        let event = receive(&envelope("order.placed", payload.clone())).unwrap();
        let CommerceEventKind::OrderUpdated { order } = event.kind else {
            panic!("no order");
        };
        let consent = order.customer.marketing?;
        assert_eq!(consent.at, order.placed_at);
        Some(consent.granted)
    };
    assert_eq!(consent(json!(true)), Some(true));
    assert_eq!(consent(json!(false)), Some(false));
    assert_eq!(consent(Value::Null), None);
}

#[test]
fn returns_and_refunds_may_have_identifiers() {
    let own_id = |name, payload| match receive(&envelope(name, payload)).unwrap().kind {
        CommerceEventKind::ReturnRequested { id, .. }
        | CommerceEventKind::ReturnReceived { id, .. }
        | CommerceEventKind::RefundIssued { id, .. } => id,
        kind => panic!("{kind:?}"),
    };
    for name in ["return.requested", "return.received", "refund.issued"] {
        assert_eq!(own_id(name, json!({"id": 17})).as_deref(), Some("17"));
        assert_eq!(own_id(name, json!({"id": "R-17"})).as_deref(), Some("R-17"));
        assert_eq!(own_id(name, json!({})), None);
        assert_eq!(own_id(name, Value::Null), None);
        assert_eq!(own_id(name, json!({"id": null, "note": "torn"})), None);
        let refused = reason(&envelope(name, json!({"id": " "})));
        assert!(refused.contains("payload.id"), "{refused}");
    }
}
