#include "slabpipe/codec/text_width.h"

#include <cstdint>
#include <string>

#include "gtest/gtest.h"

namespace slabpipe {
namespace {

TEST(TextWidthTest, CountsCharactersNotBytes) {
  EXPECT_EQ(TextWidth(""), 0u);
  EXPECT_EQ(TextWidth("abc"), 3u);
  EXPECT_EQ(TextWidth("æøå"), 3u);
  EXPECT_EQ(TextWidth("€\U0001F600"), 2u);
}

TEST(PrintableTextTest, LeavesWhatFits) {
  EXPECT_EQ(PrintableText("", 5), "");
  EXPECT_EQ(PrintableText("abcde", 5), "abcde");
  EXPECT_EQ(PrintableText("æøåßü", 5), "æøåßü");
  EXPECT_EQ(PrintableText("say \"it's\"", 20), "say \"it's\"");
  EXPECT_EQ(PrintableText("abc", SIZE_MAX), "abc");
}

TEST(PrintableTextTest, CutsWhatIsLonger) {
  EXPECT_EQ(PrintableText("abcdefgh", 6), "abc...");
  EXPECT_EQ(PrintableText("æøåßüéñç", 6), "æøå...");
  EXPECT_EQ(PrintableText("\U0001F600\U0001F601\U0001F602\U0001F603\U0001F604", 4),
            "\U0001F600...");
  EXPECT_EQ(PrintableText(std::string(100000, 'x'), 10), "xxxxxxx...");
  EXPECT_EQ(PrintableText("abcd", 3), "...");
  EXPECT_EQ(PrintableText("abcd", 2), "..");
  EXPECT_EQ(PrintableText("abcd", 0), "");
  EXPECT_EQ(PrintableText("", 0), "");
}

TEST(PrintableTextTest, IsOneLine) {
  EXPECT_EQ(PrintableText("a\nb\tc\r", 20), "a\\nb\\tc\\r");
  EXPECT_EQ(PrintableText(std::string("\0\x1b[31m", 6), 20).find('\x1b'), std::string::npos);
  EXPECT_EQ(PrintableText("back\\slash", 20), "back\\\\slash");
}

TEST(PrintableTextTest, EscapesWhatIsNotUtf8) {
  EXPECT_EQ(PrintableText("a\xff", 20), "a\\377");
  // Cut in the middle of a character.
  EXPECT_EQ(PrintableText("\xe2\x82", 20), "\\342\\202");
}

TEST(PrintableTextTest, NeverTakesMoreThanItsWidth) {
  const std::string text = "a\"b'\n\xff \\\"æ\\' and so on, \x01\x02 until the end of the line";
  for (size_t width = 0; width < 80; ++width) {
    EXPECT_LE(TextWidth(PrintableText(text, width)), width);
    EXPECT_LE(TextWidth(PrintableText("æøå€\U0001F600\n" + std::string(90, 'y'), width)), width);
  }
}

// Escapes that were in the text are not taken for those that were made.
TEST(PrintableTextTest, TellsBackslashesFromEscapes) {
  EXPECT_NE(PrintableText("\\n", 20), PrintableText("\n", 20));
  EXPECT_NE(PrintableText("\\\"", 20), PrintableText("\"", 20));
}

TEST(PrintableTextTest, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(PrintableText("a\xc2\x9b"
                          "b",
                          20),
            "a\\302\\233b");  // U+009B
  EXPECT_EQ(PrintableText("\xe2\x80\xae"
                          "x",
                          20),
            "\\342\\200\\256x");                                                 // U+202E
  EXPECT_EQ(PrintableText("\xc3\xa6\xe2\x82\xac", 20), "\xc3\xa6\xe2\x82\xac");  // æ€
}

TEST(SafeTextTest, EscapesWhatCouldHarmATerminalAndNothingElse) {
  EXPECT_EQ(SafeLine("back\\slash \"æ\"\n\t\x1b[31m\xc2\x9b"),
            "back\\slash \"æ\"\\n\\t\\033[31m\\302\\233");
  EXPECT_EQ(SafeText("one\n\ttwo\r\x07"), "one\n\ttwo\\r\\007");
  EXPECT_EQ(SafeText("æ\xff"), "\\303\\246\\377");
  EXPECT_EQ(SafeLine(SafeLine("a\n")), "a\\n");
}

}  // namespace
}  // namespace slabpipe
