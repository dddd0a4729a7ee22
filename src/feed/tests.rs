use super::*;

fn euros(text: &str, format: Format) -> Feed {
    read(text, format, Currency::EUR).unwrap()
}

fn told(feed: &Feed) -> Vec<String> {
    feed.refused.iter().map(ToString::to_string).collect()
}

const SHOPIFY: &str = "\
Handle,Title,Body (HTML),Vendor,Type,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant SKU,Variant Inventory Tracker,Variant Inventory Qty,Variant Price,Image Src,Status
jacket,Rain jacket,\"<p>Keeps <b>rain</b> out &amp; warmth in.</p>
<p>Hood.</p>\",Fjordvik,Jackets,Size,M,Color,Red,J-M,shopify,0,129.90,https://shop.example/j.jpg,active
jacket,,,,,,L,,Red,J-L,shopify,3,119.00,,active
jacket,,,,,,,,,,,,,https://shop.example/j2.jpg,
mug,Mug,,,Kitchen,Title,Default Title,,,MUG,shopify,,12,,active
stove,Stove,,,Kitchen,Title,Default Title,,,STOVE,shopify,2,twelve,,active
lamp,,,,Kitchen,Title,Default Title,,,LAMP,shopify,2,5.00,,active
tent,Tent,,,Tents,Size,2,,,T-2,shopify,5,200,,active
tent,,,,,,4,,,T-4,shopify,many,300,,active
";

#[test]
fn a_shopify_export_with_three_broken_rows_gives_the_rest_and_names_the_three() {
    let feed = euros(SHOPIFY, Format::ShopifyCsv);
    assert_eq!(
        told(&feed),
        [
            "7: Variant Price: `twelve` is not a price in EUR; write it like `12.95` or `12.95 EUR`",
            "8: Title: it is empty; every product needs it",
            "10: Variant Inventory Qty: `many` is not a whole number",
        ]
    );
    let ids: Vec<&str> = feed
        .products
        .iter()
        .map(|listed| listed.product.id.as_str())
        .collect();
    assert_eq!(ids, ["jacket", "mug"]);
    let jacket = &feed.products[0];
    assert_eq!(jacket.price, Some(11_900));
    assert!(jacket.in_stock);
    assert_eq!(
        jacket.product.description,
        "Keeps rain out & warmth in. Hood."
    );
    assert_eq!(jacket.product.attributes["size"], ["M", "L"]);
    assert_eq!(jacket.product.attributes["color"], ["Red"]);
    assert_eq!(jacket.product.attributes.len(), 2);
    let sizes: Vec<_> = jacket
        .product
        .variants
        .iter()
        .map(|one| one.size.as_deref())
        .collect();
    assert_eq!(sizes, [Some("M"), Some("L")]);
    let mug = &feed.products[1];
    assert_eq!((mug.price, mug.product.attributes.len()), (Some(1200), 0));
}

#[test]
fn a_google_feed_reads_the_same_in_both_forms() {
    let tabs = "ID\ttitle\tdescription\tprice\tavailability\titem group id\tcolor\tsize\n\
                r1\tRain \"jacket\"\tDry & light\t129.90 EUR\tin stock\tjacket\tRed\tM\n\
                r2\tRain \"jacket\"\tDry & light\t99,00 EUR\tout_of_stock\tjacket\tBlue\tL\n\
                m1\tMug\t\t12 USD\tin_stock\t\t\t\n\
                s1\tStove\t\t12 EUR\tsometimes\t\t\t\n";
    let xml = "<?xml version=\"1.0\"?>
<rss version=\"2.0\" xmlns:g=\"http://base.google.com/ns/1.0\"><channel><title>Shop</title>
<item><g:id>r1</g:id><title>Rain \"jacket\"</title><description>Dry &amp; light</description><g:price>129.90 EUR</g:price>
<g:availability>in stock</g:availability><g:item_group_id>jacket</g:item_group_id><g:color>Red</g:color><g:size>M</g:size></item>
<item><g:id>r2</g:id><title><![CDATA[Rain \"jacket\"]]></title><description>Dry &#38; light</description><g:price>99,00 EUR</g:price>
<g:availability>out_of_stock</g:availability><g:item_group_id>jacket</g:item_group_id><g:color>Blue</g:color><g:size>L</g:size></item>
<item><g:id>m1</g:id><title>Mug</title><g:price>12 USD</g:price></item>
<item><g:id>s1</g:id><title>Stove</title><g:price>12 EUR</g:price><g:availability>sometimes</g:availability></item>
</channel></rss>";
    let (tabs, xml) = (
        euros(tabs, Format::GoogleTsv),
        euros(xml, Format::GoogleXml),
    );
    assert_eq!(tabs.products, xml.products);
    let [jacket] = &xml.products[..] else {
        panic!("{:?}", xml.products);
    };
    assert_eq!(jacket.product.id, "jacket");
    assert_eq!(jacket.product.title, "Rain \"jacket\"");
    assert_eq!(jacket.product.description, "Dry & light");
    assert_eq!(jacket.product.attributes["colour"], ["Red", "Blue"]);
    assert_eq!((jacket.price, jacket.in_stock), (Some(9900), true));
    let lines = |feed: &Feed| feed.refused.iter().map(|row| row.line).collect::<Vec<_>>();
    assert_eq!(lines(&tabs), [4, 5]);
    assert_eq!(lines(&xml), [7, 8]);
    assert!(told(&xml)[1].contains("availability: `sometimes` is none of"));
}

#[test]
fn a_file_of_another_form_is_told() {
    let wrong = |text: &str, format| read(text, format, Currency::EUR).unwrap_err().to_string();
    assert!(wrong("id,title\n1,Mug\n", Format::ShopifyCsv).contains("no column `Handle`"));
    assert!(wrong("<html></html>", Format::GoogleXml).contains("neither `rss` nor `feed`"));
    assert!(wrong("<rss><item></rss>", Format::GoogleXml).starts_with("line 1: "));
    assert!(wrong("", Format::GoogleTsv).contains("no column `id`"));
}
