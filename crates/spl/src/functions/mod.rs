//! stand-in
pub mod regex {
    use std::borrow::Cow;
    pub struct Compiled(::regex::Regex);
    pub fn compile_regex(p: &str) -> Result<Compiled, String> {
        ::regex::Regex::new(p)
            .map(Compiled)
            .map_err(|e| e.to_string())
    }
    impl Compiled {
        pub fn named_captures(&self, text: &str, name: &str, most: usize, found: &mut Vec<String>) {
            for c in self.0.captures_iter(text).take(most) {
                if let Some(m) = c.name(name) {
                    found.push(m.as_str().to_owned())
                }
            }
        }
        pub fn group_offsets(&self, _t: &str, _g: &[String], _m: usize) -> Vec<String> {
            vec![]
        }
        pub fn replace_nth(&self, text: &str, to: &str, _n: Option<(usize, usize)>) -> String {
            let c: Cow<str> = self.0.replace_all(text, to);
            c.into_owned()
        }
    }
}
pub mod time {
    pub fn iso(t: &str) -> String {
        t.to_owned()
    }
}
