//! Rewrites a quantised graph for tract.
//!
//! `training/` ships int8 weights because ONNX Runtime multiplies them fastest. tract multiplies float32 fastest (six
//! times as fast as it runs the same products in int8), so before it sees the graph, each
//!
//! ```text
//! QuantizeLinear(x) ─► DequantizeLinear ─┐
//!        DequantizeLinear(int8 weights) ─┴► MatMul
//! ```
//!
//! becomes `MatMul(x, weights as float32)`. The word table stays int8: only the few rows that a text needs are widened.

use std::collections::{HashMap, HashSet};

use prost::Message;
use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, TensorProto, tensor_proto::DataType,
    tensor_shape_proto::dimension, type_proto,
};

/// Why a graph could not be rewritten.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RewriteError {
    #[error("it is not an ONNX file: {0}")]
    Protobuf(#[from] prost::DecodeError),
    #[error("it holds no graph")]
    NoGraph,
    #[error(
        "initializer `{0}` is missing, or its type or length is not what a quantised product needs"
    )]
    Initializer(String),
}

/// The graph with float32 products, for texts one at a time. A graph without quantised products stays as it is.
pub(crate) fn to_float(onnx: &[u8]) -> Result<Vec<u8>, RewriteError> {
    let mut model = ModelProto::decode(onnx)?;
    let graph = model.graph.as_mut().ok_or(RewriteError::NoGraph)?;
    let products = find_products(graph)?;
    replace(graph, products);
    remove_unused(graph);
    fix_batch(graph);
    Ok(model.encode_to_vec())
}

/// A product as it shall be.
struct Product {
    /// Its place among the nodes.
    place: usize,
    /// The float32 tensor on the left.
    left: String,
    /// Weights in float32.
    weights: TensorProto,
}

fn find_products(graph: &GraphProto) -> Result<Vec<Product>, RewriteError> {
    let index = Index::new(graph);
    let products = graph.node.iter().enumerate();
    products
        .filter(|(_, node)| node.op_type == "MatMul")
        .filter_map(|(place, node)| index.product(place, node).transpose())
        .collect()
}

/// Who writes each tensor.
struct Index<'g> {
    writers: HashMap<&'g str, &'g NodeProto>,
    initializers: HashMap<&'g str, &'g TensorProto>,
}

impl<'g> Index<'g> {
    fn new(graph: &'g GraphProto) -> Self {
        let outputs = |node: &'g NodeProto| {
            node.output
                .iter()
                .map(move |output| (output.as_str(), node))
        };
        let named = |tensor: &'g TensorProto| (tensor.name.as_str(), tensor);
        Self {
            writers: graph.node.iter().flat_map(outputs).collect(),
            initializers: graph.initializer.iter().map(named).collect(),
        }
    }

    /// What a product becomes; nothing if its weights are not quantised.
    fn product(&self, place: usize, node: &NodeProto) -> Result<Option<Product>, RewriteError> {
        let [left, right] = node.input.as_slice() else {
            return Ok(None);
        };
        let Some(widened) = self.written_by(right, "DequantizeLinear") else {
            return Ok(None);
        };
        let [weights, scale, rest @ ..] = widened.input.as_slice() else {
            return Ok(None);
        };
        Ok(Some(Product {
            place,
            left: self.before_narrowing(left).to_owned(),
            weights: self.widen(weights, scale, rest.first().map(String::as_str))?,
        }))
    }

    fn written_by(&self, tensor: &str, operator: &str) -> Option<&'g NodeProto> {
        let node = *self.writers.get(tensor)?;
        (node.op_type == operator).then_some(node)
    }

    /// The tensor that was narrowed to eight bits and widened again, or the tensor itself.
    fn before_narrowing<'t>(&self, tensor: &'t str) -> &'t str
    where
        'g: 't,
    {
        self.written_by(tensor, "DequantizeLinear")
            .and_then(|widened| widened.input.first())
            .and_then(|narrow| self.written_by(narrow, "QuantizeLinear"))
            .and_then(|narrowed| narrowed.input.first())
            .map_or(tensor, String::as_str)
    }

    /// Weights `[rows, columns]` in float32: `(weight - zero point) × scale`, with one scale, or one a column.
    fn widen(
        &self,
        weights: &str,
        scale: &str,
        zero_point: Option<&str>,
    ) -> Result<TensorProto, RewriteError> {
        let bad = |name: &str| RewriteError::Initializer(name.to_owned());
        let tensor = self.initializers.get(weights).ok_or_else(|| bad(weights))?;
        let values = integers(tensor).ok_or_else(|| bad(weights))?;
        let columns = match tensor.dims.as_slice() {
            [_, columns] if *columns > 0 => usize::try_from(*columns).map_err(|_| bad(weights))?,
            _ => return Err(bad(weights)),
        };
        let scales = self
            .initializers
            .get(scale)
            .and_then(|tensor| floats(tensor))
            .filter(|scales| matches!(scales.len(), 1) || scales.len() == columns)
            .ok_or_else(|| bad(scale))?;
        let zero_points = match zero_point.filter(|name| !name.is_empty()) {
            None => vec![0],
            Some(name) => self
                .initializers
                .get(name)
                .and_then(|tensor| integers(tensor))
                .filter(|zeros| matches!(zeros.len(), 1) || zeros.len() == columns)
                .ok_or_else(|| bad(name))?,
        };
        let mut raw = Vec::with_capacity(values.len() * size_of::<f32>());
        for row in values.chunks(columns) {
            for (column, &value) in row.iter().enumerate() {
                let zero = zero_points[column % zero_points.len()];
                let scale = scales[column % scales.len()];
                raw.extend_from_slice(&(f32::from(value - zero) * scale).to_le_bytes());
            }
        }
        Ok(TensorProto {
            name: format!("{weights}_as_float"),
            dims: tensor.dims.clone(),
            data_type: DataType::Float.into(),
            raw_data: raw,
            ..TensorProto::default()
        })
    }
}

/// The values of an int8 or uint8 tensor, if there are as many as its shape says.
fn integers(tensor: &TensorProto) -> Option<Vec<i16>> {
    let signed = match DataType::try_from(tensor.data_type).ok()? {
        DataType::Int8 => true,
        DataType::Uint8 => false,
        _ => return None,
    };
    let from_byte = |byte: u8| {
        if signed {
            i16::from(byte.cast_signed())
        } else {
            i16::from(byte)
        }
    };
    let values: Vec<i16> = if tensor.raw_data.is_empty() {
        tensor
            .int32_data
            .iter()
            .map(|&value| i16::try_from(value).ok())
            .collect::<Option<_>>()?
    } else {
        tensor.raw_data.iter().copied().map(from_byte).collect()
    };
    (values.len() == count(tensor)?).then_some(values)
}

/// The values of a float32 tensor, if there are as many as its shape says.
fn floats(tensor: &TensorProto) -> Option<Vec<f32>> {
    if tensor.data_type != i32::from(DataType::Float) {
        return None;
    }
    let values: Vec<f32> = if tensor.raw_data.is_empty() {
        tensor.float_data.clone()
    } else {
        tensor
            .raw_data
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    };
    (values.len() == count(tensor)?).then_some(values)
}

fn count(tensor: &TensorProto) -> Option<usize> {
    tensor.dims.iter().try_fold(1_usize, |product, &size| {
        product.checked_mul(usize::try_from(size).ok()?)
    })
}

fn replace(graph: &mut GraphProto, products: Vec<Product>) {
    for product in products {
        graph.node[product.place].input = vec![product.left, product.weights.name.clone()];
        graph.initializer.push(product.weights);
    }
}

/// Drops the nodes and initializers whose results nobody reads any more.
fn remove_unused(graph: &mut GraphProto) {
    let mut needed: HashSet<String> = graph
        .output
        .iter()
        .map(|output| output.name.clone())
        .collect();
    // Nodes stand in topological order, so one walk from the end sees every reader before its writer.
    let mut kept: Vec<NodeProto> = std::mem::take(&mut graph.node)
        .into_iter()
        .rev()
        .filter(|node| {
            let is_needed = node.output.iter().any(|output| needed.contains(output));
            if is_needed {
                needed.extend(node.input.iter().cloned());
            }
            is_needed
        })
        .collect();
    kept.reverse();
    graph.node = kept;
    graph
        .initializer
        .retain(|tensor| needed.contains(&tensor.name));
}

/// Fixes the first axis of inputs and outputs at one text: tract plans shapes that it knows better. What the exporter
/// noted of the shapes between them still speaks of any number of texts, so tract derives those itself.
fn fix_batch(graph: &mut GraphProto) {
    graph.value_info.clear();
    for end in graph.input.iter_mut().chain(&mut graph.output) {
        let Some(type_proto::Value::TensorType(tensor)) =
            end.r#type.as_mut().and_then(|kind| kind.value.as_mut())
        else {
            continue;
        };
        if let Some(first) = tensor
            .shape
            .as_mut()
            .and_then(|shape| shape.dim.first_mut())
        {
            first.value = Some(dimension::Value::DimValue(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(op_type: &str, name: &str, input: &[&str], output: &[&str]) -> NodeProto {
        NodeProto {
            name: name.into(),
            op_type: op_type.into(),
            input: input.iter().map(ToString::to_string).collect(),
            output: output.iter().map(ToString::to_string).collect(),
            ..NodeProto::default()
        }
    }

    fn tensor(name: &str, kind: DataType, dims: &[i64], raw: Vec<u8>) -> TensorProto {
        TensorProto {
            name: name.into(),
            dims: dims.to_vec(),
            data_type: kind.into(),
            raw_data: raw,
            ..TensorProto::default()
        }
    }

    /// `y = x · w`, with w two rows by three columns, the way `training/export.py` writes it.
    fn tiny() -> ModelProto {
        let value = |name: &str| tract_onnx::pb::ValueInfoProto {
            name: name.into(),
            ..Default::default()
        };
        let scales = [0.5_f32, 0.25, 2.0]
            .iter()
            .flat_map(|s| s.to_le_bytes())
            .collect();
        let graph = GraphProto {
            node: vec![
                node("QuantizeLinear", "narrow", &["x", "xs", "xz"], &["xq"]),
                node("DequantizeLinear", "again", &["xq", "xs", "xz"], &["xd"]),
                node("DequantizeLinear", "wide", &["wq", "ws", "wz"], &["wd"]),
                node("MatMul", "product", &["xd", "wd"], &["y"]),
            ],
            initializer: vec![
                tensor(
                    "wq",
                    DataType::Int8,
                    &[2, 3],
                    vec![1, 2, 3, 0xFF, 0xFE, 0x80],
                ),
                tensor("wz", DataType::Int8, &[3], vec![0, 1, 0]),
                tensor("ws", DataType::Float, &[3], scales),
            ],
            input: vec![value("x")],
            output: vec![value("y")],
            ..GraphProto::default()
        };
        ModelProto {
            graph: Some(graph),
            ..ModelProto::default()
        }
    }

    fn rewritten(model: &ModelProto) -> GraphProto {
        let bytes = to_float(&model.encode_to_vec()).unwrap();
        ModelProto::decode(bytes.as_slice()).unwrap().graph.unwrap()
    }

    #[test]
    fn a_quantised_product_becomes_one_float_product_and_nothing_else_is_left() {
        let graph = rewritten(&tiny());
        assert_eq!(graph.node.len(), 1);
        assert_eq!(graph.node[0].op_type, "MatMul");
        assert_eq!(graph.node[0].input, ["x", "wq_as_float"]);
        assert_eq!(graph.node[0].output, ["y"]);
        assert_eq!(graph.initializer.len(), 1);
        assert_eq!(
            floats(&graph.initializer[0]).unwrap(),
            [0.5, 0.25, 6.0, -0.5, -0.75, -256.0]
        );
    }

    #[test]
    fn unsigned_weights_with_one_scale_are_understood() {
        let mut model = tiny();
        let graph = model.graph.as_mut().unwrap();
        graph.initializer = vec![
            tensor("wq", DataType::Uint8, &[2, 3], vec![0, 1, 2, 255, 3, 4]),
            TensorProto {
                int32_data: vec![1],
                ..tensor("wz", DataType::Uint8, &[], vec![])
            },
            TensorProto {
                float_data: vec![2.0],
                ..tensor("ws", DataType::Float, &[], vec![])
            },
        ];
        assert_eq!(
            floats(&rewritten(&model).initializer[0]).unwrap(),
            [-2.0, 0.0, 2.0, 508.0, 4.0, 6.0]
        );
    }

    #[test]
    fn a_graph_without_quantised_products_keeps_its_nodes() {
        let mut model = tiny();
        let graph = model.graph.as_mut().unwrap();
        graph.node = vec![node("MatMul", "product", &["x", "w"], &["y"])];
        graph.initializer = vec![tensor("w", DataType::Float, &[2, 1], vec![0; 8])];
        let graph = rewritten(&model);
        assert_eq!(graph.node[0].input, ["x", "w"]);
        assert_eq!(graph.initializer.len(), 1);
    }

    #[test]
    fn a_broken_file_is_an_error_that_names_the_place() {
        assert!(matches!(
            to_float(b"not onnx"),
            Err(RewriteError::Protobuf(_))
        ));
        assert!(matches!(to_float(b""), Err(RewriteError::NoGraph)));
        let mut model = tiny();
        model.graph.as_mut().unwrap().initializer[0].raw_data.pop();
        let error = to_float(&model.encode_to_vec()).unwrap_err();
        assert!(error.to_string().contains("`wq`"), "{error}");
    }
}
