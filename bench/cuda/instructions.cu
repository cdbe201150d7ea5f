// The device code of instruction_compare.
#include "instructions.cuh"
