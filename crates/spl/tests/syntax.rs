//! SPL as text: what is read, what is refused, and how errors look.
//!
//! Most tables compare with the printed form of what was parsed: it has every default written out, parentheses around
//! every operand that needs them, and names in quotes.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that does not parse has failed"
)]

use crabwalk_spl::commands::{Lookup, LookupOutput, Map, Rex, RexAction};
use crabwalk_spl::syntax::ast::{ExprKind, Pipeline, SearchExpr, Span};
use crabwalk_spl::syntax::{
    MacroTable, parse, parse_expr, parse_search, parse_search_with_macros, parse_without_macros,
    position, render, render_coloured,
};
use crabwalk_spl::{Knowledge, Search};
use insta::assert_snapshot;
use proptest::prelude::*;

fn macros() -> MacroTable {
    let mut table = MacroTable::default();
    table.insert(
        "summaries",
        &[],
        "summariesonly=false allow_old_summaries=true fillnull_value=null",
    );
    table.insert(
        "iso(1)",
        &["field"],
        r#"convert timeformat="%Y-%m-%dT%H:%M:%S" ctime($field$)"#,
    );
    table.insert("strip", &["node"], "rename $node$.* as *");
    table.insert(
        "security",
        &[],
        "eventtype=security OR Channel=Security OR source=XmlWinEventLog:Security",
    );
    table.insert("shells", &[], r#""cmd.exe", "pwsh.exe""#);
    table.insert("pair", &["one", "two"], r#"a="$one$" OR b="$two$""#);
    table.insert("outer", &[], "`inner` c=3");
    table.insert("inner", &[], "b=2");
    table.insert("whole", &[], "kind=x | eval n=1 | table n");
    table.insert("assets", &[], "| inputlookup assets | table dest");
    table.insert("loop_a", &[], "`loop_b`");
    table.insert("loop_b", &[], "`loop_a`");
    table.insert("broken", &[], "stats count by");
    table.insert("say", &[], r#"a "word""#);
    table
}

#[track_caller]
fn pipeline(text: &str) -> Pipeline {
    parse(text, &macros()).unwrap_or_else(|errors| panic!("{}", render(&errors, text, "test")))
}

/// The printed form, of which it is also checked that it parses to the same.
#[track_caller]
fn printed(text: &str) -> String {
    let printed = pipeline(text).to_string();
    assert_eq!(
        pipeline(&printed).to_string(),
        printed,
        "printed and parsed again: {text}"
    );
    printed
}

#[track_caller]
fn search(text: &str) -> String {
    parse_search(text)
        .unwrap_or_else(|errors| panic!("{}", render(&errors, text, "test")))
        .to_string()
}

#[track_caller]
fn expr(text: &str) -> String {
    parse_expr(text)
        .unwrap_or_else(|errors| panic!("{}", render(&errors, text, "test")))
        .to_string()
}

#[track_caller]
fn errors(text: &str) -> String {
    match parse(text, &macros()) {
        Ok(pipeline) => panic!("parsed as {pipeline}"),
        Err(errors) => render(&errors, text, "search"),
    }
}

#[track_caller]
fn message(text: &str) -> String {
    match parse(text, &macros()) {
        Ok(pipeline) => panic!("{text}\nparsed as {pipeline}"),
        Err(errors) => errors[0].message.clone(),
    }
}

macro_rules! table {
    ($name:ident, $read:path, $($input:expr => $output:expr,)+) => {
        #[test]
        fn $name() {
            $(assert_eq!($read($input), $output, "{}", $input);)+
        }
    };
}

// Search clauses.

table!(shape_01_search_binds_not_then_or_then_and, search,
    "src=a OR src=b code=1" => r#"("src"=a OR "src"=b) "code"=1"#,
    "code=1 src=a OR src=b" => r#""code"=1 ("src"=a OR "src"=b)"#,
    "a=1 AND b=2 OR c=3 AND d=4" => r#""a"=1 ("b"=2 OR "c"=3) "d"=4"#,
    "NOT a=1 OR b=2" => r#"NOT "a"=1 OR "b"=2"#,
    "NOT (a=1 OR b=2) c=3" => r#"NOT ("a"=1 OR "b"=2) "c"=3"#,
    "NOT NOT a=1" => r#"NOT NOT "a"=1"#,
    "(a=1 b=2) OR (c=3)" => r#"("a"=1 "b"=2) OR "c"=3"#,
    "((a=1))" => r#""a"=1"#,
    "NOT(a=1)OR(b=2)" => r#"NOT "a"=1 OR "b"=2"#,
    "this or that and not other" => "this (or) that (and) (not) other",
    "" => "()",
);

table!(shape_05_search_values, search,
    r#"source=Xml:Sec/Op a= "0x2" b =c"# => r#""source"=Xml:Sec/Op "a"="0x2" "b"=c"#,
    r"path=C:\Windows\* b=*\\\\*" => r#""path"=C:\\Windows\\* "b"=*\\\\*"#,
    r#"p="*\\Temp\\*.js*""# => r#""p"="*\\Temp\\*.js*""#,
    r#"p="*\sam *""# => r#""p"="*\\sam *""#,
    r#"raw=*\"priv\":true*"# => r#""raw"=*\"priv\":true*"#,
    r#"a=*"two words"*"# => r#""a"="*two words*""#,
    "a=50% b={x} c=me@home d='q' e=-1.5" => r#""a"=50% "b"={x} "c"=me@home "d"='q' "e"=-1.5"#,
    "url=*?id=1&x>2* b=1" => r#""url"=*?id=1&x>2* "b"=1"#,
    "ip=10.0.0.0/8 dest_ip!=10.0.0.0/8" => r#""ip"=10.0.0.0/8 "dest_ip"!=10.0.0.0/8"#,
    "n>5 n>=5 n<5 n<=5 n!=5 n = 5" => r#""n">5 "n">=5 "n"<5 "n"<=5 "n"!=5 "n"=5"#,
    r#"a="" b=*"# => r#""a"="" "b"=*"#,
    "a=1, b=2" => r#""a"=1 "b"=2"#,
    "earliest=-24h@h latest=now" => r#""earliest"=-24h@h "latest"=now"#,
    "tag::host=dc x::y" => r#""tag::host"=dc x::y"#,
    "a=(x OR \"y z\") b=(c NOT d)" => r#"("a"=x OR "a"="y z") ("b"=c NOT "b"=d)"#,
    "latest=now() b=1" => r#""latest"=now() "b"=1"#,
    "a=TERM(10.0.0.1)" => r#""a"=TERM("10.0.0.1")"#,
);

table!(shape_06_search_fields, search,
    r#""u.name"="x*" a.b.c=1 a{}.b=2 x-y/z=3"# => r#""u.name"="x*" "a.b.c"=1 "a{}.b"=2 "x-y/z"=3"#,
    r#""two words" IN (1)"# => r#""two words" IN (1)"#,
);

table!(shape_07_search_lists, search,
    r#"f IN ("*a*" b, c*)"# => r#""f" IN ("*a*", b, c*)"#,
    r#"f IN ("a""b",, "")"# => r#""f" IN ("a", "b", "")"#,
    "NOT f IN(a,b) g=1" => r#"NOT "f" IN (a, b) "g"=1"#,
    "f NOT IN (a)" => r#"NOT "f" IN (a)"#,
    "f in (a) in b" => r#""f" IN (a) (in) b"#,
);

table!(shape_10_search_terms, search,
    r#"sudoedit segfault "a phrase" TERM(10.0.0.1) CASE(Admin) *"# =>
        r#"sudoedit segfault "a phrase" TERM("10.0.0.1") CASE("Admin") *"#,
    "a AND*" => "a AND*",
);

#[test]
fn shape_15_subsearches_may_leave_out_the_pipe() {
    for text in [
        "a=1 NOT [| inputlookup hosts | table dest]",
        "a=1 NOT [inputlookup hosts|table dest]",
    ] {
        assert_eq!(
            search(text),
            r#""a"=1 NOT [| inputlookup append=false "hosts" | table "dest"]"#
        );
    }
    assert_eq!(
        search("[search a=1 | fields b]"),
        search("[a=1 | fields b]")
    );
    assert_eq!(search("[search]"), "[| search ()]");
}

// Eval expressions.

table!(expr_precedence, expr,
    "a OR b AND c" => "'a' OR ('b' AND 'c')",
    "a or b xor c and not d = 1" => "'a' OR ('b' XOR ('c' AND (NOT ('d' = 1))))",
    "a = b . c" => "'a' = ('b' . 'c')",
    r#"a . b + 1"# => "'a' . ('b' + 1)",
    "1 + 2 * -x - 3" => "(1 + (2 * (-'x'))) - 3",
    "a - b - c" => "('a' - 'b') - 'c'",
    "8 / 4 % 3" => "(8 / 4) % 3",
    "!a = 1" => "NOT ('a' = 1)",
    "a = NOT b" => "'a' = (NOT 'b')",
    "(a OR b) AND c" => "('a' OR 'b') AND 'c'",
    "a == 1 AND b != 2" => "('a' = 1) AND ('b' != 2)",
    "x-1" => "'x' - 1",
    "+x" => "'x'",
    r#"n LIKE "a%" OR m NOT LIKE "b""# => r#"like('n', "a%") OR (NOT like('m', "b"))"#,
    r#"NOT x IN ("a", y) AND z"# => r#"(NOT ('x' IN ("a", 'y'))) AND 'z'"#,
    "x NOT IN (1)" => "NOT ('x' IN (1))",
    "in(x, 1, 2)" => "'x' IN (1, 2)",
    "1=1" => "1 = 1",
);

table!(expr_atoms, expr,
    "null" => "null()",
    "NULL()" => "null()",
    "True" => "true()",
    "false()" => "false()",
    "1.5e3" => "1500",
    ".5" => "0.5",
    "a.5" => "'a' . 5",
    "0x1F" => r#""0x1F""#,
    "4625_count" => "'4625_count'",
    "a.b" => "'a' . 'b'",
    "'a{}.b' . x{}.y" => "('a{}.b' . 'x{}') . 'y'",
    r#""\"q\" \\ \d""# => r#""\"q\" \\ \\d""#,
    "'it\\'s'" => "'it\\'s'",
    "ns:name" => "'ns:name'",
    r#"IF(isNotNull(a), Mvindex(b, -1), "")"# => r#"if(isnotnull('a'), mvindex('b', -1), "")"#,
    "like(a, b)" => "like('a', 'b')",
    "now()" => "now()",
    "1 . 2" => "1 . 2",
);

#[test]
fn expr_spans_point_to_the_parts() {
    let text = "lower(user) . domain";
    let expr = parse_expr(text).expect("parses");
    assert_eq!(expr.span, Span { start: 0, end: 20 });
    let ExprKind::Binary { left, right, .. } = expr.kind else {
        panic!("not a binary operator")
    };
    assert_eq!(
        (left.span, right.span),
        (Span { start: 0, end: 11 }, Span { start: 14, end: 20 })
    );
}

// The shapes of public content, by their number in the notes on it.

table!(shape_02_and_03_wildcards_and_case_stay_as_written, printed,
    r#"process_name IN ("Cmd.exe", p*.exe) path="*\\a?.js*" x=*"# =>
        r#"| search "process_name" IN ("Cmd.exe", p*.exe) "path"="*\\a?.js*" "x"=*"#,
);

#[test]
fn shape_04_backslashes() {
    for (text, pattern) in [
        (r#"| rex "\\\(?<u>.+)""#, r"\\(?<u>.+)"),
        (r#"| rex "C:\\\\(?<d>\w+)""#, r"C:\\(?<d>\w+)"),
        (r#"| rex "say \"(?<w>[^\"]+)""#, r#"say "(?<w>[^"]+)"#),
    ] {
        let parsed = pipeline(text);
        let rex = parsed.commands[0].kind.of::<Rex>().expect("rex");
        let RexAction::Extract(found) = &rex.action else {
            panic!("not an extraction")
        };
        assert_eq!(found.text, pattern);
    }
    let SearchExpr::Compare { value, .. } = parse_search(r#"a="*\\\\host""#).expect("parses")
    else {
        panic!()
    };
    assert_eq!(value.text, r"*\\host");
}

table!(shape_06_quotes_mean_field_or_text, printed,
    r#"| search "a.b"=1 | eval y='a{}.b', z="a.b""# => r#"| search "a.b"=1 | eval "y" = 'a{}.b', "z" = "a.b""#,
    r#"| eval a.b=1, 'c d'=2, "e f"=3"# => r#"| eval "a.b" = 1, "c d" = 2, "e f" = 3"#,
);

table!(shape_08_and_09_not_and_numbers, printed,
    "| search NOT a=1 b!=2 n>=10 | where n >= 10" =>
        r#"| search NOT "a"=1 "b"!=2 "n">=10 | where 'n' >= 10"#,
);

table!(shape_11_multivalue, printed,
    "| search r=4720 r=4726 | mvexpand r limit=5 | eval m=mvfilter(match(r, \"^47\")), k=mvindex(m,-1)" =>
        "| search \"r\"=4720 \"r\"=4726 | mvexpand limit=\"5\" \"r\" \
         | eval \"m\" = mvfilter(match('r', \"^47\")), \"k\" = mvindex('m', -1)",
);

table!(shape_12_fillnull, printed,
    r#"| fillnull value="?" a, b | fillnull | fillnull c value=NULL | fillnull value="" d"# =>
        r#"| fillnull value="?" "a", "b" | fillnull | fillnull value="NULL" "c" | fillnull value="" "d""#,
);

table!(shape_13_macros, printed,
    "`security` EventCode=4624 | `iso(first)` | `thing_filter`" =>
        "| search (\"eventtype\"=security OR \"Channel\"=Security OR \"source\"=XmlWinEventLog:Security) \"EventCode\"=4624 \
         | convert timeformat=\"%Y-%m-%dT%H:%M:%S\" ctime(\"first\") | search *",
    r#"x=1 | `strip("Processes")` | `strip(Web)`"# =>
        r#"| search "x"=1 | rename "Processes.*" AS "*" | rename "Web.*" AS "*""#,
    r#"process IN (`shells`, other)"# => r#"| search "process" IN ("cmd.exe", "pwsh.exe", other)"#,
    r#"`pair("x, y", f(1,2))`"# => r#"| search "a"="x, y" OR "b"="f(1,2)""#,
    "`outer`" => r#"| search "b"=2 "c"=3"#,
    "`whole` | head 1" => r#"| search "kind"=x | eval "n" = 1 | table "n" | head 1"#,
    "a=1 [`assets`]" => r#"| search "a"=1 [| inputlookup append=false "assets" | table "dest"]"#,
    "a=1 | `assets`" => r#"| search "a"=1 | inputlookup append=false "assets" | table "dest""#,
    r#"| eval x="I `say` it", y="Write-`n", z="`unknown`""# =>
        r#"| eval "x" = "I a \"word\" it", "y" = "Write-`n", "z" = "`unknown`""#,
);

#[test]
fn shape_13_macros_in_map_wait_for_map() {
    let text =
        r#"| map maxsearches=9 search="| tstats `summaries` count | search x=\"$y$\"" | head 1"#;
    let parsed = pipeline(text);
    assert_eq!(parsed.commands.len(), 2);
    let map = parsed.commands[0].kind.of::<Map>().expect("map");
    assert_eq!(map.max, 9);
    assert_eq!(
        map.search.text,
        r#"| tstats `summaries` count | search x="$y$""#
    );
}

#[test]
fn shape_13_spans_of_macros_point_to_the_call() {
    let text = "a=1 `outer` d=4";
    let SearchExpr::And(all) = parse_search_with_macros(text, &macros()).expect("parses") else {
        panic!("not and")
    };
    let spans: Vec<_> = all
        .iter()
        .map(|one| match one {
            SearchExpr::Compare { field, value, .. } => {
                &text[field.span.to(value.span).start as usize..value.span.end as usize]
            }
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(spans, ["a=1", "`outer`", "`outer`", "d=4"]);
}

table!(shape_14_comments, printed,
    "```what``` a=1 ```| not this``` b=2 ```x``` | ```y``` head 1 ```z```" =>
        r#"| search "a"=1 "b"=2 | head 1"#,
    "| stats count ```how \"many``` by user" => r#"| stats count AS "count" by "user""#,
);

table!(shape_15_and_16_join_append, printed,
    "a=1 | join type=outer a, b [| tstats count from datamodel=Web by Web.src]" =>
        "| search \"a\"=1 | join type=outer max=1 overwrite=true \"a\", \"b\" \
         [| tstats count AS \"count\" from datamodel=\"Web\" by \"Web.src\"]",
    "a=1 | join a b type=left max=0 [search c=2]" =>
        r#"| search "a"=1 | join type=outer max=0 overwrite=true "a", "b" [| search "c"=2]"#,
    "a=1 | join [stats count]" =>
        r#"| search "a"=1 | join type=inner max=1 overwrite=true [| stats count AS "count"]"#,
    "a=1 | append maxtime=9 [ search b=2 ] | appendpipe [stats count]" =>
        r#"| search "a"=1 | append [| search "b"=2] | appendpipe [| stats count AS "count"]"#,
);

table!(shapes_17_21_22_26_other_commands, printed,
    r#"| transaction user startswith=(a=1) endswith="b | c" MaxSpan=180m connected=f"# =>
        "| transaction \"user\" startswith=(\"a\"=1) endswith=(\"b | c\") maxspan=10800 connected=false keepevicted=false",
    "| spath input=x output=y path=a{}.b | spath \"c{}\"" =>
        "| spath input=\"x\" output=\"y\" path=\"a{}.b\" | spath \"c{}\"",
    r#"| foreach a* [eval y=if(x="]|", 1, '<<FIELD>>') | head 1] | head 2"# =>
        r#"| foreach "a*" [eval y=if(x="]|", 1, '<<FIELD>>') | head 1] | head 2"#,
    r#"| makemv delim="|" f | replace "x*" with * in f"# =>
        "| makemv delim=\"|\" \"f\" | replace \"x*\" with \"*\" in \"f\"",
    "| iplocation prefix=p_ f" => "| iplocation prefix=\"p_\" \"f\"",
    "| timechart limit=0 span=5m count by x" =>
        "| timechart limit=\"0\" span=5m count AS \"count\" by \"x\"",
    "| chart count over a by b" => "| chart count AS \"count\" by \"a\", \"b\"",
    "| outputlookup append=t x" => "| outputlookup append=true override_if_empty=true \"x\"",
    "| top limit=3 a, b by c" => "| top limit=\"3\" \"a\", \"b\" by \"c\"",
    "| return 3 a=b $c d" => "| return 3 \"a\"=\"b\", $\"c\"=\"c\", \"d\"=\"d\"",
    "| union [search a=1] [| inputlookup x]" =>
        "| union [| search \"a\"=1] [| inputlookup append=false \"x\"]",
);

table!(shape_18_aggregations, printed,
    r#"| stats count, min(_time) as first max(_time) AS "last seen" values(a.b) as annotations.x dc(user), c by host, src"# =>
        "| stats count AS \"count\", min(\"_time\") AS \"first\", max(\"_time\") AS \"last seen\", \
         values(\"a.b\") AS \"annotations.x\", dc(\"user\") AS \"dc(user)\", c AS \"c\" by \"host\", \"src\"",
    r#"| stats values(*) as * Latest(p*) as p* count() distinct_count("two words") p95(x)"# =>
        "| stats values(\"*\") AS \"*\", latest(\"p*\") AS \"p*\", count AS \"count\", \
         distinct_count(\"two words\") AS \"distinct_count(two words)\", p95(\"x\") AS \"p95(x)\"",
    r#"| stats count(eval(EventCode=4624)) dc(eval(upper(user))) AS n"# =>
        "| stats count(eval('EventCode' = 4624)) AS \"count(eval(EventCode=4624))\", dc(eval(upper('user'))) AS \"n\"",
    "| eventstats allnum=f avg(n) as mean, stdev(n) as sd" =>
        r#"| eventstats avg("n") AS "mean", stdev("n") AS "sd""#,
    "| streamstats current=f window=5 count as rank by a b reset_on_change=t" =>
        r#"| streamstats current=false window=5 global=true reset_on_change=true count AS "rank" by "a", "b""#,
    "| streamstats time_window=5m reset_before=(x > 1) reset_after=\"(y==\\\"a\\\")\" sum(n)" =>
        r#"| streamstats current=true window=0 global=true time_window=5m reset_before=('x' > 1) reset_after=('y' = "a") sum("n") AS "sum(n)""#,
    "| stats count by _time span=1h user" => r#"| stats count AS "count" by "_time" span=1h, "user""#,
);

table!(shape_19_and_20_patterns, printed,
    r#"| rex field=a{}.b max_match=0 "(?<n>\d+)" | rex "(?P<x>.)" | rex mode=sed field=y "s/\x00//g""# =>
        "| rex field=\"a{}.b\" max_match=0 \"(?<n>\\\\d+)\" | rex field=\"_raw\" max_match=1 \"(?P<x>.)\" \
         | rex field=\"y\" max_match=1 mode=sed \"s/\\\\x00//g\"",
    r#"| rex field = x (?<a>\S+)= offset_field=o"# =>
        r#"| rex field="x" max_match=1 offset_field="o" "(?<a>\\S+)=""#,
    r#"| regex f="(?i)x" | regex g != "y" | regex "z=1""# =>
        r#"| regex "f"="(?i)x" | regex "g"!="y" | regex "_raw"="z=1""#,
);

table!(shape_23_rename, printed,
    r#"| rename a as b, c AS "d e" process* as parent_process* "IsOutlier(count)" as n, values(x) as y,"# =>
        "| rename \"a\" AS \"b\", \"c\" AS \"d e\", \"process*\" AS \"parent_process*\", \
         \"IsOutlier(count)\" AS \"n\", \"values(x)\" AS \"y\"",
);

table!(shape_24_lookup, printed,
    r#"| lookup update=true t f as x, f2 as y OUTPUT a as "Known Notes", c | lookup t f OUTPUTNEW a b | lookup "u" f"# =>
        "| lookup \"t\" \"f\" AS \"x\", \"f2\" AS \"y\" OUTPUT \"a\" AS \"Known Notes\", \"c\" AS \"c\" \
         | lookup \"t\" \"f\" AS \"f\" OUTPUTNEW \"a\" AS \"a\", \"b\" AS \"b\" | lookup \"u\" \"f\" AS \"f\"",
);

#[test]
fn shape_25_lookup_without_output_adds_all_columns() {
    let parsed = pipeline("| lookup local=t assets ip as dest");
    let lookup = parsed.commands[0].kind.of::<Lookup>().expect("lookup");
    assert_eq!(lookup.output, LookupOutput::All);
}

table!(shape_26_other, printed,
    "| bucket span=5m _time | bin _time span=1h as t | bin n bins=10 | bin span=10 x | bin span=1d@d _time | bin span=3mon y" =>
        "| bucket span=5m \"_time\" | bin span=1h \"_time\" AS \"t\" | bin bins=10 \"n\" | bin span=10 \"x\" \
         | bin span=1d \"_time\" | bin span=3mon \"y\"",
    "| sort - n | sort a, - b | sort 0 +a -num(b) | sort limit=5 ip(x) str(y) | sort 3 a, -b desc" =>
        "| sort limit=\"10000\" -\"n\" | sort limit=\"10000\" +\"a\", -\"b\" | sort limit=\"0\" +\"a\", -num(\"b\") \
         | sort limit=\"5\" +ip(\"x\"), +str(\"y\") | sort limit=\"3\" -\"a\", +\"b\"",
    r#"| table a, "b c" d* values(x) | fields - p*, q | fields + f | fields g h"# =>
        r#"| table "a", "b c", "d*", "values(x)" | fields - "p*", "q" | fields + "f" | fields + "g", "h""#,
    "| dedup a,b | dedup 3 a b keepempty=t keepevents=true consecutive=1 sortby -x +y" =>
        "| dedup 1 \"a\", \"b\" | dedup 3 \"a\", \"b\" keepempty=\"t\" keepevents=\"true\" consecutive=\"1\" sortby -\"x\", +\"y\"",
    "| bin n minspan=5 start=1 end=9.5 | bin _time span=1h aligntime=@d+3h | bin n span=2log10 | bin n span=log2" =>
        "| bin minspan=5 start=1 end=9.5 \"n\" | bin span=1h aligntime=\"@d+3h\" \"_time\" | bin span=2log10 \"n\" | bin span=1log2 \"n\"",
    "| multikv forceheader=2 fields a, b filter \"x y\" z | xyseries a b c" =>
        "| multikv forceheader=\"2\" fields \"a\", \"b\" filter \"x y\", \"z\" | xyseries \"a\", \"b\", \"c\"",
    "| eval x=if($a.b{}$=\"y\", 1, 0)" => r#"| eval "x" = if('a.b{}' = "y", 1, 0)"#,
    "| head | head 5 | head limit=6 | tail | tail 7 | reverse" =>
        "| head 10 | head 5 | head 6 | tail | tail \"7\" | reverse",
    "| head x<5 | head (1==1) limit=3 keeplast=t null=true" =>
        "| head ('x' < 5) | head (1 = 1) limit=\"3\" keeplast=\"t\" null=\"true\"",
    "| from datamodel:\"E\".\"F\"" => r#"| from datamodel:"E.F""#,
    "| from datamodel Risk.All_Risk | from datamodel:A.B | from datamodel:\"C.D\" | from lookup:x" =>
        r#"| from datamodel:"Risk.All_Risk" | from datamodel:"A.B" | from datamodel:"C.D" | from lookup:"x""#,
    "| inputlookup append=t max=5 x where a=1 OR b=2 c=3" =>
        r#"| inputlookup append=true max=5 "x" where ("a"=1 OR "b"=2) "c"=3"#,
    r#"| eval a=1, b=if(a=1, "x, y", null), c=a.b"# =>
        r#"| eval "a" = 1, "b" = if('a' = 1, "x, y", null()), "c" = 'a' . 'b'"#,
    "| convert timeformat=\"%H\" ctime(a) as b mktime(c), auto(*)" =>
        r#"| convert timeformat="%H" ctime("a") AS "b", mktime("c"), auto("*")"#,
);

table!(tstats, printed,
    "| tstats `summaries` count min(_time) as first from datamodel=Endpoint.Processes where Processes.user!=x \
     Processes.process_name=a OR Processes.process_name IN (b, c*) by Processes.dest, Processes.user _time span=1h | `strip(Processes)`" =>
        "| tstats fillnull_value=\"null\" count AS \"count\", \
         min(\"_time\") AS \"first\" from datamodel=\"Endpoint.Processes\" where \"Processes.user\"!=x \
         (\"Processes.process_name\"=a OR \"Processes.process_name\" IN (b, c*)) \
         by \"Processes.dest\", \"Processes.user\", \"_time\" span=1h | rename \"Processes.*\" AS \"*\"",
    "| tstats count values(A.x) AS x FROM datamodel=\"A\" WHERE (nodename=A.B) BY _time host" =>
        "| tstats count AS \"count\", values(\"A.x\") AS \"x\" from datamodel=\"A\" where \"nodename\"=A.B by \"_time\", \"host\"",
    "tstats dc(host) where index=* groupby sourcetype" =>
        r#"| tstats dc("host") AS "dc(host)" where "index"=* by "sourcetype""#,
    "| tstats count from datamodel = Web by Web.src _time, Web.dest span=5m" =>
        r#"| tstats count AS "count" from datamodel="Web" by "Web.src", "_time" span=5m, "Web.dest""#,
);

#[test]
fn commands_keep_their_name_and_place() {
    let text = "a=1  | Bucket span=5m _time |head";
    let parsed = pipeline(text);
    let found: Vec<_> = parsed
        .commands
        .iter()
        .map(|command| {
            (
                command.name.as_str(),
                &text[command.span.start as usize..command.span.end as usize],
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("search", "a=1"),
            ("bucket", "Bucket span=5m _time"),
            ("head", "head")
        ]
    );
}

// Errors.

#[test]
fn errors_point_into_the_text() {
    assert_snapshot!(errors("a=1 | stast count by user | where x > | eval y = lower(z | head 5"), @r##"
    error: `stast` is not an SPL command
     --> search:1:7
      |
    1 | a=1 | stast count by user | where x > | eval y = lower(z | head 5
      |       ^^^^^
      |
      = help: did you mean `stats`?

    error: expected an expression, found `|`
     --> search:1:39
      |
    1 | a=1 | stast count by user | where x > | eval y = lower(z | head 5
      |                                       ^

    error: unclosed parenthesis
     --> search:1:55
      |
    1 | a=1 | stast count by user | where x > | eval y = lower(z | head 5
      |                                                       ^
    "##);
    assert_snapshot!(errors("`securty` a=1\n| `iso(a, b)`\n| `loop_a` | `broken`"), @r##"
    error: macro `securty` is not defined
     --> search:1:1
      |
    1 | `securty` a=1
      | ^^^^^^^^^
      |
      = help: did you mean `security`?

    error: macro `iso` takes 1 argument, but is called with 2
     --> search:2:3
      |
    2 | | `iso(a, b)`
      |   ^^^^^^^^^^^

    error: macro `loop_a` calls itself
     --> search:3:3
      |
    3 | | `loop_a` | `broken`
      |   ^^^^^^^^
      |
      = note: loop_a → loop_b → loop_a

    error: expected a field after `by`, found the end of the search
     --> search:3:22
      |
    3 | | `loop_a` | `broken`
      |                      ^
      |
      = note: the macro stands for: stats count by
    "##);
    assert_snapshot!(errors("| tstats count from datamodel=Web where a==1 by x"), @r##"
    error: `==` is not an operator in a search clause
     --> search:1:42
      |
    1 | | tstats count from datamodel=Web where a==1 by x
      |                                          ^^
      |
      = help: write `=` here; `==` belongs to `eval` and `where`
    "##);
    assert_snapshot!(errors("größe=1 | eval ä = \"offen"), @r##"
    error: unclosed string
     --> search:1:20
      |
    1 | größe=1 | eval ä = "offen
      |                    ^^^^^^
      |
      = help: end it with "; escape it inside as \"
    "##);
}

#[test]
fn colours_are_an_option() {
    let text = "| hed 5";
    let errors = parse_without_macros(text).expect_err("no such command");
    assert!(!render(&errors, text, "x").contains('\u{1b}'));
    assert!(render_coloured(&errors, text, "x").contains('\u{1b}'));
}

#[test]
fn positions_count_characters_from_one() {
    let text = "a=ü\n| hed 5";
    let errors = parse_without_macros(text).expect_err("no such command");
    let at = position(text, errors[0].span);
    assert_eq!((at.line, at.column), (2, 3));
    assert_eq!(position(text, Span { start: 4, end: 4 }).column, 4);
}

table!(messages, message,
    "a=1 |" => "expected a command, found the end of the search",
    "a=1 | | head" => "expected a command, found `|`",
    "a=" => "expected a value, found the end of the search",
    "a=1 OR" => "expected a condition, found the end of the search",
    "a=1 AND" => "expected a condition after `AND`, found the end of the search",
    "(a=1" => "unclosed parenthesis",
    "a=1)" => "unmatched `)`",
    "a=1 ] b" => "unmatched `]`",
    "a=1 [search b" => "unclosed bracket",
    "a IN (1, 2" => "unclosed list",
    "a=(b=1)" => "the parentheses after `a=` may contain only values",
    "a>(b)" => "expected a value, found `(`",
    "a IN ()" => "expected a value, found `)`",
    "| where a IN ()" => "this list is empty",
    "| where f(1" => "unclosed parenthesis",
    "| where" => "expected an expression, found the end of the search",
    "| where a b" => "expected `|` or the end of the command, found `b`",
    "| eval x" => "expected `=` after `x`, found the end of the search",
    "| eval x=1 y=2" => "expected `,` or the end of the command, found `y`",
    "| eval x=\"a" => "unclosed string",
    "| eval x='a" => "unclosed field name",
    "| eval x=1e999" => "this number is too large",
    "| stats sparkline(avg(x))" => "expected `)`, found `avg`",
    "| tstats sumariesonly=t count" => "`tstats` has no option `sumariesonly`",
    "| stats count x=1 by y" => "`stats` has no option `x`",
    "| stats by x" => "expected an aggregation such as `count`, found `by`",
    "| stats count by" => "expected a field after `by`, found the end of the search",
    "| stats sum(a*b+1 c)" => "expected `)`, found `c`",
    "| rename a b" => "expected `as` after `a`, found `b`",
    "| bin span=12log10 x" => "`12log10` is not a logarithmic span",
    "| bin span=0m x" => "`0m` is not a span",
    "| bin span=5m" => "expected a field, found the end of the search",
    "| sort limt=5 a" => "`sort` has no option `limt`",
    "| dedup keepempty=maybe a" => "`keepempty` must be true or false, not `maybe`",
    "| join type=cross a [search b]" => "`cross` is not a type of join",
    "| join a" => "expected a subsearch in brackets, found the end of the search",
    "| head x>5 y" => "expected the end of the command, or an option of `head`, found `y`",
    "| convert ctme(x)" => "`ctme` is not a conversion",
    "| from index:main" => "unknown dataset type `index` in `from`",
    "| tstats count from index" => "expected `datamodel=` after `from`, found `index`",
    "| where “a”=1" => "expected an expression, found `“a”`",
    "`" => "unclosed macro call",
    "a ```b" => "unclosed comment",
    "`a(b`" => "`a(b` is not a call of a macro",
);

#[test]
fn all_errors_are_reported_and_macros_that_fail_report_once() {
    let text = "a= | hed 1 | eval x=`nope` | stats count by `nope2` | where (";
    let errors = parse(text, &macros()).expect_err("all wrong");
    let found: Vec<_> = errors
        .iter()
        .map(|error| &text[error.span.start as usize..error.span.end as usize])
        .collect();
    assert_eq!(found, ["|", "hed", "`nope`", "`nope2`", ""]);
}

#[test]
fn hostile_nesting_is_refused_without_running_out_of_stack() {
    let deep = 100_000;
    for text in [
        "(".repeat(deep),
        "NOT ".repeat(deep),
        format!("| where {}", "(".repeat(deep)),
        format!("| where {}1", "-".repeat(deep)),
        format!("| where {}1", "NOT ".repeat(deep)),
        format!("| where {}", "f(".repeat(deep)),
        format!("| where 1{}", "+1".repeat(deep)),
        format!("| where a{}", " IN (1)".repeat(deep)),
        "[".repeat(deep),
        "[search ".repeat(deep),
        "a=1 | append [ ".repeat(deep),
    ] {
        let errors = parse_without_macros(&text).expect_err("too deep");
        assert!(!errors.is_empty());
    }
    let wide = format!("| where x IN ({})", vec!["1"; deep].join(","));
    assert!(parse_without_macros(&wide).is_ok());
    let wide = vec!["a=1"; 1000].join(" OR ");
    assert!(parse_without_macros(&wide).is_ok());
}

#[test]
fn macros_that_multiply_are_refused() {
    let mut table = MacroTable::default();
    table.insert("m0", &[], "aaaaaaaaaaaaaaaa");
    for level in 1..30 {
        let below = format!("`m{}` ", level - 1);
        table.insert(&format!("m{level}"), &[], &below.repeat(8));
    }
    let errors = parse("`m29`", &table).expect_err("too long");
    assert!(
        errors[0].message.starts_with("the search is longer than"),
        "{}",
        errors[0].message
    );
}

// Properties.

/// Pieces that searches are made of; most orders of them are wrong.
const PIECES: &[&str] = &[
    "|",
    "[",
    "]",
    "(",
    ")",
    ",",
    "=",
    "!=",
    "<",
    ">",
    "\"",
    "'",
    "\\",
    "\\\"",
    "`",
    "```",
    "`security`",
    "`iso(a)`",
    " ",
    "\n",
    "AND",
    "OR",
    "NOT",
    "IN",
    "in",
    "by",
    "as",
    "from",
    "where",
    "search",
    "stats",
    "tstats",
    "count",
    "values(x)",
    "eval",
    "a",
    "b=1",
    "a.b",
    "*",
    "-",
    "+",
    ".",
    "5m",
    "span=5m",
    "1e5",
    "0x1",
    "TERM(",
    "rex",
    "lookup",
    "OUTPUT",
    "join",
    "sort",
    "- n",
    "dedup",
    "map",
    "foreach",
    "é",
    "\u{a0}",
    "fields",
    "{}",
    "$a$",
    "datamodel=A.B",
    "like",
    "null",
    "head",
    "rename",
    "regex",
];

const VALID: &[&str] = &[
    "`security` EventCode=4624 NOT user IN (\"*$\" a, b*) | bucket span=5m _time | stats dc(Computer) AS n by _time, IpAddress | where n > 30",
    "| tstats `summaries` count from datamodel=Endpoint.Processes where Processes.process=\"*\\\\\\\\*\" by Processes.dest _time span=1h | `strip(Processes)`",
    "a=1 | join type=outer a, b [| inputlookup x where y=1 | table f] | eval q=if(a=\"x\", 1, 'b.c') . \"z\", r=-2 | sort - n, a",
    "| makeresults count=2 | spath input=x output=y path=a{}.b | foreach a* b [eval '<<FIELD>>'=1 | where x=\"]\"] | replace \"x*\" with y, in with z in f | map maxsearches=3 search=\"search a=$b$\" | transaction a startswith=(x=1 OR y) maxspan=5m | timechart limit=3 span=1h count by x | top 3 limit=2 a by b | return 2 a b=c $d | union [search a] [search b] | outputlookup append=t key_field=k x.csv",
    "| from datamodel:A.B | rex field=x \"(?<y>\\d+)\" | lookup t a as b OUTPUT c as d | dedup 2 c sortby -d | convert ctime(e) | fields - f*",
];

/// All spans lie in the text and on its characters, errors can be shown, and what parses prints to the same tree.
fn check(text: &str) -> Result<(), TestCaseError> {
    match parse(text, &macros()) {
        Ok(pipeline) => {
            prop_assert!(!spans(&pipeline).is_empty());
            for span in spans(&pipeline) {
                prop_assert!(span.start <= span.end, "{span:?}");
                let part = text.get(span.start as usize..span.end as usize);
                prop_assert!(part.is_some(), "{span:?} in {text}");
            }
            let printed = pipeline.to_string();
            let again = match parse_without_macros(&printed) {
                Ok(again) => again,
                Err(errors) => {
                    return Err(TestCaseError::fail(format!(
                        "{text}\n{}",
                        render(&errors, &printed, "printed")
                    )));
                }
            };
            prop_assert_eq!(
                without_spans(&pipeline),
                without_spans(&again),
                "printed: {}",
                printed
            );
        }
        Err(errors) => {
            prop_assert!(!errors.is_empty());
            for error in &errors {
                prop_assert!(
                    error.span.start <= error.span.end && error.span.end as usize <= text.len(),
                    "{:?}",
                    error
                );
                prop_assert!(position(text, error.span).line >= 1);
            }
            prop_assert!(render(&errors, text, "x").contains("error"));
        }
    }
    if let Ok(expr) = parse_expr(text) {
        let again = parse_expr(&expr.to_string());
        prop_assert_eq!(
            Some(without_spans(&expr)),
            again.ok().map(|again| without_spans(&again))
        );
    }
    if let Ok(search) = parse_search(text) {
        let again = parse_search(&search.to_string());
        prop_assert_eq!(
            Some(without_spans(&search)),
            again.ok().map(|again| without_spans(&again))
        );
    }
    Ok(())
}

/// All spans of a tree.
fn spans(tree: &impl std::fmt::Debug) -> Vec<Span> {
    let text = format!("{tree:?}");
    let number = |text: &str| {
        text.split([',', ' '])
            .next()
            .and_then(|digits| digits.parse().ok())
    };
    text.split("Span { start: ")
        .skip(1)
        .filter_map(|part| {
            let (start, end) = part.split_once(", end: ")?;
            Some(Span {
                start: number(start)?,
                end: number(end)?,
            })
        })
        .collect()
}

/// The tree as text, with its spans taken out.
fn without_spans(tree: &impl std::fmt::Debug) -> String {
    let text = format!("{tree:?}");
    let mut parts = text.split("Span { start: ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(part.split_once('}').map_or(part, |(_, rest)| rest));
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        check(&text)?;
    }

    #[test]
    fn any_pieces_are_read_or_refused(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..25), spaced: bool) {
        check(&pieces.join(if spaced { " " } else { "" }))?;
    }

    #[test]
    fn mutated_searches_are_read_or_refused(
        text in prop::sample::select(VALID),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..6, prop::sample::select(PIECES)), 0..4),
    ) {
        let mut chars: Vec<char> = text.chars().collect();
        for (index, removed, inserted) in changes {
            let at = index.index(chars.len() + 1);
            let end = (at + removed).min(chars.len());
            chars.splice(at..end, inserted.chars());
        }
        check(&chars.into_iter().collect::<String>())?;
    }
}

#[test]
fn long_searches_take_time_in_proportion() {
    // Quadratic work on a megabyte would take minutes.
    for piece in [
        "a=1 ",
        "\"",
        "`",
        "'",
        "[",
        "(",
        "\\",
        "| eval x='",
        "`nope` ",
        "```",
        "a=\"x\\\" ",
        "| rex x= ",
        "| foo [",
        "x(",
        "| statz ",
        "long",
        "[search \"",
        "| stats c(x) z=1 ",
        "| where x=\"",
        "| table a(",
    ] {
        for start in ["", "| "] {
            let text = format!("{start}{}", piece.repeat((1 << 18) / piece.len()));
            let started = std::time::Instant::now();
            let _ = parse_without_macros(&text);
            let took = started.elapsed();
            assert!(took.as_secs() < 5, "{piece:?} took {took:?}");
        }
    }
}

#[test]
fn long_searches_are_refused_before_they_are_planned() {
    for (text, many, words) in [
        ("x=1 ", "| eval a=1 ", "more than 100 commands"),
        ("x=1 ", "OR x=2 ", "more than 1000 conditions"),
        ("x=1 ", "AND NOT x=2 ", "more than 1000 conditions"),
    ] {
        let fits = format!("{text}{}", many.repeat(99));
        assert!(parse(&fits, &macros()).is_ok(), "{many}");
        assert!(
            errors(&format!("{text}{}", many.repeat(100_000))).contains(words),
            "{many}"
        );
    }
}

#[test]
fn a_search_names_no_column_of_the_engine() {
    let knowledge = Knowledge::default();
    for text in ["search a=1 | eval \"\u{1}time\"=1", "| table \"\u{1}ref\""] {
        let error =
            Search::parse("test", text, &knowledge).expect_err("it has a control character");
        let wrong = &error.diagnostics()[0];
        assert_eq!(
            wrong.message,
            "the control character U+0001 is kept for the engine"
        );
        assert_eq!(text.find('\u{1}'), Some(wrong.span.start as usize));
    }
    let value = r#"search * | rex "(?<a>\x01+)""#;
    assert!(Search::parse("test", value, &knowledge).is_ok());
}

#[test]
fn a_search_that_judges_single_events_needs_no_window() {
    let knowledge = Knowledge {
        macros: macros(),
        ..Knowledge::default()
    };
    for (text, single) in [
        (
            "EventCode=1 Image=\"*\\\\psexec.exe\" | eval who=user | where who!=\"x\" | table who",
            true,
        ),
        // Groups only bring together what is alike.
        (
            "| tstats `summaries` count min(_time) as firstTime from datamodel=Endpoint.Processes where \
             Processes.process_name IN (`shells`) by Processes.dest Processes.user | `strip(Processes)` | `iso(firstTime)` \
             | search user!=\"x\" | where dest!=\"y\"",
            true,
        ),
        (
            "EventCode=4688 | rex field=CommandLine \"(?<x>a)\" | stats count values(x) by dest | search dest=*",
            true,
        ),
        (
            "| from datamodel Endpoint.Processes | search process=a",
            true,
        ),
        // What counts, compares or joins does need one.
        (
            "EventCode=4625 | stats count by dest | where count > 5",
            false,
        ),
        (
            "EventCode=4625 | stats count by dest | rename count as n | search n > 5",
            false,
        ),
        (
            "EventCode=4625 | stats count as many by dest | eval n=many*2 | where n > 5",
            false,
        ),
        (
            "EventCode=4625 | stats dc(user) as users by dest | convert auto(users) as people | where people > 5",
            false,
        ),
        ("EventCode=4625 | stats count", false),
        (
            "EventCode=4625 | stats count by dest user | stats count by dest",
            false,
        ),
        ("EventCode=4625 | dedup user", false),
        ("EventCode=4625 | head 5", false),
        (
            "EventCode=4688 | stats values(x) as all by dest | rex field=all \"(?<y>a)\"",
            false,
        ),
        (
            "EventCode=4625 [ search EventCode=4624 | table user ]",
            false,
        ),
        (
            "EventCode=4625 | join user [ search EventCode=4624 ]",
            false,
        ),
        ("EventCode=4625 | outputlookup seen", false),
        ("| inputlookup seen", false),
        ("| makeresults", false),
    ] {
        let search =
            Search::parse("test", text, &knowledge).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(search.judges_single_events(), single, "{text}");
    }
    let start = |text: &str| {
        let search =
            Search::parse("test", text, &knowledge).unwrap_or_else(|error| panic!("{error}"));
        search.earliest().map(str::to_owned)
    };
    assert_eq!(start("EventCode=1 earliest=-1h"), Some("-1h".to_owned()));
    assert_eq!(start("EventCode=1 [ search earliest=-1h ]"), None);
    assert_eq!(
        start(
            "| tstats count from datamodel=Endpoint.Processes where earliest=-1h by Processes.dest"
        ),
        Some("-1h".to_owned())
    );
}
