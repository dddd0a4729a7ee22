/*
 * Doorstep chat widget. One script tag for any shop:
 *
 *   <script src="https://bot.shop.example/widget.js" async
 *           data-shop-name="Your shop"   shown in the header
 *           data-locale=""               BCP 47 tag; empty = the visitor's browser
 *           data-identity=""             signed identity token of a logged-in customer
 *           data-theme="auto"            auto | light | dark
 *           data-open="false"></script>  open the chat at once
 *
 * From the page: Doorstep.open(), .close(), .send(text), .identify(token); call
 * identify(null) when the customer logs out.
 *
 * Look: set CSS variables on `doorstep-chat`: --doorstep-accent, --doorstep-on-accent,
 * --doorstep-surface, --doorstep-text, --doorstep-muted, --doorstep-line, --doorstep-bubble,
 * --doorstep-radius, --doorstep-font, --doorstep-width, --doorstep-height,
 * --doorstep-position-inline, --doorstep-position-block, --doorstep-layer.
 *
 * The server joins the parts in web/widget/ by name into one function, and gives them SETTINGS.
 * Parts 1 to 4 touch neither page nor network unless they are given them, and are tested in Node.
 */
