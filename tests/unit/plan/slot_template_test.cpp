#include "support/layers.h"

#include <peftbench/error.h>
#include <peftbench/layout.h>

#include <gmock/gmock.h>

namespace peftbench::slot_template_test {

using namespace layers;

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string show(const std::vector<Piece>& pieces) {
  std::string out;
  for (const Piece& piece : pieces)
    out += piece.kind == Piece::Kind::slots ? "<" + std::to_string(piece.slots) + ">" : "(" + piece.text + ")";
  return out;
}

const std::vector<Piece> input{Piece::of_text("premise: "), Piece::of_text("it rains", "premise"),
                               Piece::of_text(" claim: "), Piece::of_text("it is wet", "claim")};

std::string refusal(const std::string& text) {
  try {
    SlotTemplate(text).arrange(input);
    return "taken";
  } catch (const ConfigError& error) {
    return error.what();
  }
}

TEST(SlotTemplate, SlotsStandAroundTheWholeInput) {
  const SlotTemplate made("[3] {input} [2]");
  EXPECT_EQ(made.slots(), 5);
  EXPECT_EQ(show(made.arrange(input)), "<3>(premise: )(it rains)( claim: )(it is wet)<2>");
}

TEST(SlotTemplate, FieldsAndWordsKeepTheirOrder) {
  const SlotTemplate made("[1] {claim}? [2] <extra_id_0>, {premise}.");
  EXPECT_THAT(made.fields(), ElementsAre("claim", "premise"));
  EXPECT_EQ(show(made.arrange(input)), "<1>(it is wet)(?)<2>(<extra_id_0>, )(it rains)(.)");
  EXPECT_EQ(made.arrange(input)[1].name, "claim");  // so that a long field can be cut
}

TEST(SlotTemplate, ABracketOfWordsIsText) {
  EXPECT_EQ(show(SlotTemplate("[note] {input} [2").arrange({Piece::of_text("x", "text")})), "([note] )(x)( [2)");
}

TEST(SlotTemplate, WhatCannotBeIsRefused) {
  EXPECT_THAT(refusal("[3] words"), HasSubstr("does not contain the example"));
  EXPECT_THAT(refusal("[3] {input"), HasSubstr("brace without a field name"));
  EXPECT_THAT(refusal("[3] {}"), HasSubstr("brace without a field name"));
  EXPECT_THAT(refusal("[3] {question}"), HasSubstr("{input}, or one of premise, claim"));
}

}  // namespace
}  // namespace peftbench::slot_template_test
