#include "examples/sql/birds.h"

#include <cstdint>
#include <random>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "slabpipe/codec/column_type.h"
#include "slabpipe/codec/table_builder.h"

namespace sql {
namespace {

using slabpipe::Cell;
using slabpipe::ColumnType;
using slabpipe::TimeUnit;

const absl::Time kFirstSeen = absl::FromUnixSeconds(1'200'000'000);

absl::Status AddBird(int64_t row, std::mt19937_64& random, slabpipe::TableBuilder& builder) {
  constexpr const char* kSpecies[] = {"Adélie", "Chinstrap", "Gentoo"};
  constexpr const char* kIslands[] = {"Biscoe", "Dream", "Torgersen"};
  const uint64_t dice = random();
  const bool weighed = dice % 10 != 0, sexed = dice / 10 % 20 != 0;
  const double mass = 2700 + static_cast<double>(dice / 200 % 35000) / 10;
  const std::string name =
      absl::StrCat("bird ", row, dice % 7 == 0 ? ", ringed by Kristoffer" : "");
  return builder.AppendRow(
      {row, name, kSpecies[dice % 3], kIslands[dice / 3 % 3], weighed ? Cell(mass) : Cell(),
       sexed ? Cell(dice % 2 == 0 ? "female" : "male") : Cell(),
       kFirstSeen + absl::Microseconds(dice % 500'000'000'000'000), dice % 5 == 0});
}

}  // namespace

absl::StatusOr<slabpipe::Table> MakeBirds(int64_t rows, slabpipe::BufferSource source) {
  const ColumnType categories = ColumnType::Categorical(ColumnType::Text());
  slabpipe::TableBuilder builder(
      {{.name = "id", .type = ColumnType::Of<int64_t>()},
       {.name = "name", .type = ColumnType::Text()},
       {.name = "species", .type = categories},
       {.name = "island", .type = categories},
       {.name = "mass_g", .type = ColumnType::Of<double>()},
       {.name = "sex", .type = categories},
       {.name = "seen", .type = ColumnType::Timestamp(TimeUnit::kMicrosecond, "UTC")},
       {.name = "nests", .type = ColumnType::Of<bool>()}});
  std::mt19937_64 random(1);
  for (int64_t row = 0; row < rows; ++row) {
    if (absl::Status added = AddBird(row, random, builder); !added.ok()) return added;
  }
  absl::StatusOr<slabpipe::Table> birds = builder.Finish();
  if (!birds.ok()) return birds;
  return birds->Copy(source);
}

}  // namespace sql
