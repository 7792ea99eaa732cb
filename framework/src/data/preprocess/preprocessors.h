#pragma once

#include "data/layer.h"
#include "data/preprocess/preprocess.h"

namespace peftbench::data {

// The named preprocessors of preprocess.cpp's table: T5's formats (Raffel et al. 2020, appendix D) to the character.
// Arguments and result: Preprocessor::apply.
bool preprocess_mrqa(RowFields& fields, TextExample& example, Preprocessor::Part part);
bool preprocess_multirc(RowFields& fields, TextExample& example, Preprocessor::Part part);
bool preprocess_record(RowFields& fields, TextExample& example, Preprocessor::Part part);
bool preprocess_squad(RowFields& fields, TextExample& example, Preprocessor::Part part);
bool preprocess_stsb(RowFields& fields, TextExample& example, Preprocessor::Part part);
bool preprocess_wnli(RowFields& fields, TextExample& example, Preprocessor::Part part);
bool preprocess_wsc(RowFields& fields, TextExample& example, Preprocessor::Part part);

}  // namespace peftbench::data
